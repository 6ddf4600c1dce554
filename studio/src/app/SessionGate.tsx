import { Button, Center, Code, Group, Loader, Stack, Text, Textarea, Title } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState, useSyncExternalStore, type ReactNode } from 'react';
import { ApiError } from '../api/client';
import { onSession, signIn, token } from '../api/session';
import { viewerOptions } from '../api/viewer';
import { ErrorView } from '../components/ErrorView';
import { Mark } from './Mark';

/** Nothing behind it is drawn before the server said who is asking. */
export function SessionGate({ children }: { children: ReactNode }) {
  const bearer = useSyncExternalStore(onSession, token);
  const viewer = useQuery({ ...viewerOptions, enabled: bearer !== null, retry: false });
  const refused = viewer.error instanceof ApiError && viewer.error.code === 'UNAUTHENTICATED';
  if (bearer === null || refused) return <SignIn error={bearer === null ? null : viewer.error} />;
  if (viewer.isSuccess) return children;
  if (viewer.error) {
    return (
      <Center h="100%" p="md">
        <ErrorView error={viewer.error} retry={() => void viewer.refetch()} />
      </Center>
    );
  }
  return (
    <Center h="100%">
      <Loader aria-label="Signing in" />
    </Center>
  );
}

function SignIn({ error }: { error: Error | null }) {
  const [text, setText] = useState('');
  const queries = useQueryClient();
  return (
    <Center mih="100%" p="md" component="main">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          signIn(text);
          void queries.resetQueries();
        }}
        className="panel"
        style={{ padding: 28, width: '100%', maxWidth: 460 }}
      >
        <Stack>
          <Group gap="sm">
            <Mark />
            <Title order={1}>Datasource Studio</Title>
          </Group>
          <Textarea
            label="Access token"
            description="From your identity provider. It stays in this tab and is gone when you close it."
            required
            autosize
            minRows={3}
            maxRows={8}
            spellCheck={false}
            autoComplete="off"
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
            styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)', fontSize: 13 } }}
          />
          {error && <ErrorView error={error} />}
          <Button type="submit" disabled={text.trim() === ''}>
            Sign in
          </Button>
          <Text size="sm" c="dimmed">
            On the machine of the server, <Code>datasource-studio token --role admin</Code> prints one.
          </Text>
        </Stack>
      </form>
    </Center>
  );
}
