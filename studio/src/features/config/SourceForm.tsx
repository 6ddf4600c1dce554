import { Skeleton, Text } from '@mantine/core';
import { lazy, Suspense } from 'react';
import type { Problem } from '../../api/client';
import { useConnectorTypes } from '../connectors/queries';
import type { Aliases, SecretContext } from './SecretField';

const SchemaForm = lazy(() => import('./SchemaForm'));

export type Config = Record<string, unknown>;

interface Props {
  type: string;
  config: Config;
  onChange: (config: Config) => void;
  problems: Problem[];
  secrets: SecretContext;
}

/** The `connector` section. */
export function SourceForm({ type, config, onChange, problems, secrets }: Props) {
  const connector = useConnectorTypes().data?.find(({ name }) => name === type);
  if (!connector) return <Skeleton height={160} />;
  const { type: _, ...settings } = (config.connector ?? {}) as Config;
  return (
    <Suspense fallback={<Skeleton height={160} />}>
      <SchemaForm
        schema={connector.configSchema}
        value={settings}
        onChange={(next) => onChange({ ...config, connector: { type, ...(next as Config) } })}
        problems={problems}
        pointer="/connector"
        secrets={secrets}
        aliases={config.secrets as Aliases | undefined}
      />
      {type === 'webhook' && (settings.auth as Config | undefined)?.type === 'none' && (
        <Text size="sm" c="dimmed" mt="xs">
          Anybody who knows the address may send. That is fine for a first try; choose a signature before you
          give the address away.
        </Text>
      )}
    </Suspense>
  );
}
