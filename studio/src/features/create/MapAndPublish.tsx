import { Button, Group, Stack, Text } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { ApiError, request } from '../../api/client';
import { useCan } from '../../api/viewer';
import { ErrorView } from '../../components/ErrorView';
import { MappingStudio } from '../config/MappingStudio';
import { secretKeys } from '../config/schema';
import type { Config } from '../config/SourceForm';
import { useProblems } from '../config/usePreview';
import { PublishMutation, SaveVersionMutation, type Detail } from '../datasource/queries';
import { SecretFields } from '../datasource/SecretFields';

interface Props {
  datasource: Detail;
  onDirty: (dirty: boolean) => void;
}

/** The draft: its mapping, the secrets that it still needs, and the way live. */
export function MapAndPublish({ datasource, onDirty }: Props) {
  const { id, type, latestVersion, secrets } = datasource;
  const drafted = (latestVersion?.config ?? { connector: { type } }) as Config;
  const [config, setConfig] = useState(drafted);
  const can = useCan();
  const navigate = useNavigate();
  const { problems } = useProblems(type, config);
  const stored = secrets.map(({ key }) => key);
  const missing = secretKeys(config).filter((key) => !stored.includes(key));
  const changed = JSON.stringify(config) !== JSON.stringify(drafted);
  const save = useMutation({
    mutationFn: async (publish: boolean) => {
      // By its number: the latest one may be somebody else's by then.
      let version = latestVersion?.version;
      if (changed || version === undefined) {
        const saved = await request(SaveVersionMutation, { input: { id, config, comment: 'Mapping' } });
        version = saved.createDatasourceVersion.version.version;
      }
      if (publish) await request(PublishMutation, { input: { id, version, comment: 'First publication' } });
    },
    onSuccess: (_, publish) => {
      onDirty(false);
      if (!publish) void navigate({ to: '/catalog/$id/$tab', params: { id, tab: 'overview' } });
    },
  });
  return (
    <Stack gap="md">
      <MappingStudio
        id={id}
        type={type}
        config={config}
        onChange={(mapping) => {
          setConfig({ ...config, mapping });
          onDirty(true);
        }}
      />
      {missing.length > 0 && <SecretFields id={id} keys={missing} />}
      {problems.length > 0 && (
        <ErrorView error={new ApiError('CONFIG_INVALID', 'The configuration is not valid yet', problems)} />
      )}
      {save.error && <ErrorView error={save.error} />}
      <Group justify="flex-end">
        {!can('datasource:publish') && (
          <Text size="sm" c="dimmed">
            An administrator publishes it.
          </Text>
        )}
        <Button
          variant="default"
          loading={save.isPending && !save.variables}
          disabled={problems.length > 0}
          onClick={() => save.mutate(false)}
        >
          Keep as a draft
        </Button>
        {can('datasource:publish') && (
          <Button
            loading={save.isPending && save.variables}
            disabled={problems.length > 0 || missing.length > 0}
            onClick={() => save.mutate(true)}
          >
            Publish
          </Button>
        )}
      </Group>
    </Stack>
  );
}
