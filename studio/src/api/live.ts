import { createClient, type Client, type SubscribePayload } from 'graphql-ws';
import { useEffect, useEffectEvent, useState, useSyncExternalStore } from 'react';
import { operation } from './client';
import type { TypedDocumentString } from './generated/graphql';
import { onSession, token } from './session';

export type LinkState = 'idle' | 'connecting' | 'live' | 'lost';

let link: LinkState = 'idle';
const watchers = new Set<() => void>();

function became(state: LinkState) {
  link = state;
  watchers.forEach((watcher) => watcher());
}

let client: Client | undefined;

/** One socket for the tab; it comes back by itself, with growing pauses, also after the server was restarted. */
function socket(): Client {
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  client ??= createClient({
    url: `${scheme}://${location.host}/graphql/ws`,
    connectionParams: () => ({ Authorization: `Bearer ${token() ?? ''}` }),
    retryAttempts: Infinity,
    shouldRetry: () => true,
    retryWait: (tries) =>
      new Promise((resolve) =>
        setTimeout(resolve, Math.min(500 * 2 ** tries, 10_000) * (0.75 + Math.random() / 2)),
      ),
    keepAlive: 20_000,
    // Between two pages nobody listens for a moment.
    lazyCloseTimeout: 5_000,
    on: {
      connecting: (isRetry) => became(isRetry ? 'lost' : 'connecting'),
      connected: () => became('live'),
      closed: (event) => became((event as CloseEvent).code === 1000 ? 'idle' : 'lost'),
    },
  });
  return client;
}

onSession(() => {
  void client?.dispose();
  client = undefined;
});

/** Whether what is on the screen is kept up to date. */
export function useLink(): LinkState {
  return useSyncExternalStore(
    (watcher) => {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    () => link,
  );
}

interface Options {
  enabled?: boolean;
}

/** Calls `onData` for every value while the component is there; answers with what ended the subscription. */
export function useSubscription<T, V extends Record<string, unknown>>(
  document: TypedDocumentString<T, V>,
  variables: V,
  onData: (data: T) => void,
  { enabled = true }: Options = {},
): string | null {
  const [failure, setFailure] = useState<string | null>(null);
  const key = JSON.stringify(variables);
  const take = useEffectEvent(onData);
  useEffect(() => {
    if (!enabled) return;
    const stop = socket().subscribe<T>(operation(document, JSON.parse(key)) as SubscribePayload, {
      next: ({ data, errors }) => {
        if (errors?.[0]) setFailure(errors[0].message);
        else if (data) {
          setFailure(null);
          take(data);
        }
      },
      error: (error) => setFailure(reason(error)),
      complete: () => undefined,
    });
    return stop;
  }, [document, key, enabled]);
  return failure;
}

function reason(error: unknown): string {
  if (Array.isArray(error)) return (error as { message: string }[])[0]?.message ?? 'the subscription ended';
  return error instanceof Error ? error.message : 'the connection was lost';
}
