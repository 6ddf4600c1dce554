import { Button, Group, Modal, Stack, Tabs, Text, TextInput } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useBlocker } from '@tanstack/react-router';
import { useState } from 'react';
import { ApiError, request } from '../../api/client';
import { useCan } from '../../api/viewer';
import { ErrorView } from '../../components/ErrorView';
import { pretty } from '../../components/format';
import { Section } from '../../components/Section';
import { CodeEditor, TextDiff } from '../../components/CodeEditor';
import { DeliveryForm } from '../config/DeliveryForm';
import { MappingStudio } from '../config/MappingStudio';
import { SourceForm, type Config } from '../config/SourceForm';
import { useProblems } from '../config/usePreview';
import { useSecrets } from '../config/useSecrets';
import { CheckSource } from './CheckSource';
import { Conflict } from './Conflict';
import type { TabProps } from './Datasource';
import { DocumentEditor } from './DocumentEditor';
import { Publish } from './Publish';
import { detailKey, SaveVersionMutation, type Detail } from './queries';

/** What an editor began with: the text of somebody else does not change under one's hands. */
interface Base {
  revision: number;
  version: number | null;
  config: Config;
}

function baseOf({ revision, latestVersion, type }: Detail): Base {
  const config = (latestVersion?.config ?? { connector: { type } }) as Config;
  return { revision, version: latestVersion?.version ?? null, config };
}

export default function Configuration({ datasource }: TabProps) {
  const can = useCan();
  const editable = can('datasource:edit') && datasource.archivedAt === null;
  return editable ? <Editor datasource={datasource} /> : <ReadOnly datasource={datasource} />;
}

function ReadOnly({ datasource: { currentVersion, latestVersion } }: TabProps) {
  const shown = currentVersion ?? latestVersion;
  return (
    <Section title={shown ? `Version ${shown.version}` : 'Configuration'}>
      {shown ? (
        <CodeEditor label="Configuration" value={pretty(shown.config)} maxHeight={640} />
      ) : (
        <Text size="sm" c="dimmed">
          There is no version yet.
        </Text>
      )}
    </Section>
  );
}

function Editor({ datasource }: TabProps) {
  const { id, type, currentVersion, latestVersion } = datasource;
  const [base, setBase] = useState(() => baseOf(datasource));
  const [config, setConfig] = useState(base.config);
  const [comment, setComment] = useState('');
  const [comparing, setComparing] = useState(false);
  const queries = useQueryClient();
  const secrets = useSecrets(datasource.secrets.map(({ key }) => key));
  const { problems } = useProblems(type, config);
  const dirty = JSON.stringify(config) !== JSON.stringify(base.config);
  // Nothing was typed, so there is nothing to lose: follow what others did.
  if (!dirty && datasource.revision !== base.revision) {
    const next = baseOf(datasource);
    setBase(next);
    setConfig(next.config);
  }
  useBlocker({
    shouldBlockFn: () => dirty && !confirm('Leave, and lose what you changed?'),
    enableBeforeUnload: dirty,
  });
  const save = useMutation({
    mutationFn: async (expectedRevision: number) => {
      await secrets.send(id);
      const input = { id, config, comment: comment.trim() || null, expectedRevision };
      return (await request(SaveVersionMutation, { input })).createDatasourceVersion;
    },
    onSuccess: ({ datasource: saved, version }) => {
      queries.setQueryData<Detail>(detailKey(id), saved);
      const next = baseOf(saved);
      setBase(next);
      setConfig(next.config);
      setComment('');
      notifications.show({ message: `Saved as version ${version.version}, a draft`, withBorder: true });
    },
  });
  const conflict = save.error instanceof ApiError && save.error.code === 'CONFLICT';
  const onDraft = latestVersion !== null && latestVersion.version !== currentVersion?.version;
  return (
    <Stack gap="md">
      <Group justify="space-between">
        <Text size="sm">
          {base.version === null ? 'No version yet.' : `You edit version ${base.version}`}
          {onDraft
            ? ', a draft.'
            : base.version !== null && ', which is published. Saving makes a new draft.'}
          {currentVersion && onDraft && ` Version ${currentVersion.version} is published.`}
        </Text>
        <Group gap="xs">
          {currentVersion && (onDraft || dirty) && (
            <Button variant="default" size="sm" onClick={() => setComparing(true)}>
              Compare with the published
            </Button>
          )}
          {onDraft && !dirty && <Publish datasource={datasource} version={latestVersion} />}
        </Group>
      </Group>
      <Tabs defaultValue="mapping" variant="pills" keepMounted={false}>
        <Tabs.List mb="md">
          {['source', 'mapping', 'delivery', 'document'].map((value) => (
            <Tabs.Tab key={value} value={value} tt="capitalize" size="sm">
              {value}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="source">
          <Stack gap="md">
            <Section title="Source">
              <SourceForm
                type={type}
                config={config}
                onChange={setConfig}
                problems={problems}
                secrets={secrets}
              />
            </Section>
            {datasource.webhookPath === null && base.version !== null && (
              <CheckSource id={id} version={base.version} />
            )}
          </Stack>
        </Tabs.Panel>
        <Tabs.Panel value="mapping">
          <MappingStudio
            id={id}
            type={type}
            config={config}
            onChange={(mapping) => setConfig({ ...config, mapping })}
          />
        </Tabs.Panel>
        <Tabs.Panel value="delivery">
          <Section title="Delivery">
            <DeliveryForm config={config} onChange={setConfig} problems={problems} secrets={secrets} />
          </Section>
        </Tabs.Panel>
        <Tabs.Panel value="document">
          <DocumentEditor config={config} onChange={setConfig} />
        </Tabs.Panel>
      </Tabs>
      {problems.length > 0 && (
        <ErrorView error={new ApiError('CONFIG_INVALID', 'The configuration is not valid yet', problems)} />
      )}
      {conflict && (
        <Conflict
          mine={config}
          base={base}
          theirs={datasource}
          onTakeTheirs={() => {
            const next = baseOf(datasource);
            setBase(next);
            setConfig(next.config);
            save.reset();
          }}
          onSaveMine={() => save.mutate(datasource.revision)}
        />
      )}
      {save.error && !conflict && <ErrorView error={save.error} />}
      {dirty && (
        <form
          className="panel"
          style={{ padding: 12, position: 'sticky', bottom: 8, zIndex: 3 }}
          onSubmit={(event) => {
            event.preventDefault();
            save.mutate(base.revision);
          }}
        >
          <Group gap="sm">
            <TextInput
              style={{ flex: 1, minWidth: 180 }}
              aria-label="Comment"
              placeholder="What changed, and why?"
              value={comment}
              onChange={(event) => setComment(event.currentTarget.value)}
            />
            <Button variant="default" onClick={() => setConfig(base.config)}>
              Discard changes
            </Button>
            <Button type="submit" loading={save.isPending} disabled={problems.length > 0}>
              Save as a draft
            </Button>
          </Group>
        </form>
      )}
      <Modal
        opened={comparing}
        onClose={() => setComparing(false)}
        size="80rem"
        title={<Text fw={600}>Published (left) and yours (right)</Text>}
      >
        <TextDiff label="Configuration" before={pretty(currentVersion?.config)} after={pretty(config)} />
      </Modal>
    </Stack>
  );
}
