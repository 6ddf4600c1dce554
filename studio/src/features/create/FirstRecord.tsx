import { Anchor, Button, Code, Group, Loader, Stack, Text } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { ApiError } from '../../api/client';
import { useSubscription } from '../../api/live';
import { CopyIcon } from '../../components/copy';
import { ErrorView } from '../../components/ErrorView';
import { pretty } from '../../components/format';
import { Section } from '../../components/Section';
import { WorkerState } from '../../components/Status';
import { Ago } from '../../components/time';
import { useConnectorTypes } from '../connectors/queries';
import { RecordsSubscription, useLiveState, type Detail, type Tapped } from '../datasource/queries';
import { curlOfHook, opensToAnybody } from './hook';

/** Waits beside the person for the first record, and says what would make one. */
export function FirstRecord({ datasource }: { datasource: Detail }) {
  const { id, name, webhookPath } = datasource;
  const state = useLiveState(datasource);
  const [record, setRecord] = useState<Tapped | null>(null);
  const lost = useSubscription(RecordsSubscription, { id }, ({ datasourceRecords }) =>
    setRecord((before) => before ?? datasourceRecords),
  );
  return (
    <Stack gap="md" maw={820}>
      {webhookPath && <SendOne datasource={datasource} path={webhookPath} />}
      <Section
        title={record ? 'The first record is here' : 'Waiting for the first record'}
        actions={state && <WorkerState worker={state.workerStatus} />}
      >
        {record ? (
          <Stack gap="xs" aria-live="polite">
            <Text size="sm">
              <b>{record.kind}</b> <Code>{record.id}</Code>, delivered{' '}
              <Ago at={record.ingestedAt} size="sm" /> by version {record.version}
            </Text>
            <Code block tabIndex={0}>
              {pretty(record.data)}
            </Code>
          </Stack>
        ) : (
          <Group gap="sm">
            <Loader size="sm" type="dots" aria-hidden />
            <Text size="sm" c="dimmed">
              {webhookPath
                ? 'Send a payload, and what it becomes shows here.'
                : 'The worker reads its source; the first record that it delivers shows here.'}
            </Text>
          </Group>
        )}
        {state?.errorMessage && (
          <ErrorView error={new ApiError(state.errorCode ?? 'WORKER', state.errorMessage)} />
        )}
        {lost && <ErrorView error={new ApiError('UNAVAILABLE', lost)} />}
      </Section>
      <Group>
        <Button component={Link} to={`/catalog/${id}/overview`} variant={record ? 'filled' : 'default'}>
          Open {name}
        </Button>
        <Anchor component={Link} to="/" size="sm">
          Back to the catalog
        </Anchor>
      </Group>
    </Stack>
  );
}

function SendOne({ datasource, path }: { datasource: Detail; path: string }) {
  const sample = useConnectorTypes().data?.find(({ name }) => name === datasource.type)?.sample;
  const config = datasource.currentVersion?.config;
  const curl = curlOfHook(path, config, sample);
  const send = useMutation({
    mutationFn: async () => {
      const response = await fetch(path, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(sample),
      });
      const answer = (await response.json()) as { code?: string; detail?: string; requestId?: string };
      if (!response.ok)
        throw new ApiError(answer.code ?? 'INTERNAL', answer.detail ?? 'refused', [], answer.requestId);
    },
  });
  return (
    <Section
      title="Send a payload"
      intro="From a terminal, or from the system that should send it from now on."
    >
      <Stack gap="xs">
        <Group gap={4} wrap="nowrap" align="flex-start">
          <Code
            block
            style={{ flex: 1, whiteSpace: 'pre-wrap' }}
            className="wrap-anywhere"
            mah={220}
            tabIndex={0}
          >
            {curl}
          </Code>
          <CopyIcon value={curl} label="Copy the command" />
        </Group>
        {opensToAnybody(config) && (
          <Group>
            <Button variant="default" loading={send.isPending} onClick={() => send.mutate()}>
              Send this sample now
            </Button>
          </Group>
        )}
        {send.error && <ErrorView error={send.error} />}
      </Stack>
    </Section>
  );
}
