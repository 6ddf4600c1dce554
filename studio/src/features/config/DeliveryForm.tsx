import { NativeSelect, Skeleton, Stack } from '@mantine/core';
import { lazy, Suspense } from 'react';
import type { Problem } from '../../api/client';
import { useSinkTypes } from '../connectors/queries';
import type { Aliases, SecretContext } from './SecretField';
import type { Config } from './SourceForm';

const SchemaForm = lazy(() => import('./SchemaForm'));

interface Props {
  config: Config;
  onChange: (config: Config) => void;
  problems: Problem[];
  secrets: SecretContext;
}

/** The `delivery` section: where records go, and what becomes of those that fail. */
export function DeliveryForm({ config, onChange, problems, secrets }: Props) {
  const sinks = useSinkTypes().data ?? [];
  const delivery = (config.delivery ?? {}) as Config;
  const { type, ...settings } = (delivery.sink ?? {}) as Config & { type?: string };
  const sink = sinks.find(({ name }) => name === type);
  const set = (change: Config) => {
    const next = Object.fromEntries(
      Object.entries({ ...delivery, ...change }).filter(([, value]) => value !== undefined),
    );
    const { delivery: _, ...rest } = config;
    onChange(Object.keys(next).length > 0 ? { ...rest, delivery: next } : rest);
  };
  return (
    <Stack gap="md">
      <NativeSelect
        label="Sink"
        description={sink?.description ?? 'Where the server delivers what names no sink.'}
        value={type ?? ''}
        onChange={({ currentTarget: { value } }) => set({ sink: value ? { type: value } : undefined })}
        data={[
          { value: '', label: "The server's default" },
          ...sinks.map(({ name, title }) => ({ value: name, label: title })),
        ]}
      />
      {sink && (
        <Suspense fallback={<Skeleton height={120} />}>
          <SchemaForm
            key={sink.name}
            schema={sink.configSchema}
            value={settings}
            onChange={(next) => set({ sink: { type: sink.name, ...(next as Config) } })}
            problems={problems}
            pointer="/delivery/sink"
            secrets={secrets}
            aliases={config.secrets as Aliases | undefined}
          />
        </Suspense>
      )}
      <NativeSelect
        label="When a record cannot be mapped or delivered"
        value={typeof delivery.on_error === 'string' ? delivery.on_error : ''}
        onChange={({ currentTarget: { value } }) => set({ on_error: value || undefined })}
        data={[
          { value: '', label: 'Keep it as a dead letter (default)' },
          { value: 'skip', label: 'Skip it' },
          { value: 'stop', label: 'Stop the worker' },
        ]}
      />
    </Stack>
  );
}
