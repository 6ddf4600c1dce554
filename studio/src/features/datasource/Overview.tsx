import { Anchor, Code, Group, NativeSelect, SimpleGrid, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { ApiError, request } from '../../api/client';
import { graphql } from '../../api/generated';
import { Chart } from '../../components/Chart';
import { CopyIcon } from '../../components/copy';
import { ErrorView } from '../../components/ErrorView';
import { Facts } from '../../components/Facts';
import { count, pretty, rate, seconds } from '../../components/format';
import { Section } from '../../components/Section';
import { Dot, WorkerState } from '../../components/Status';
import { Ago } from '../../components/time';
import { curlOfHook } from '../create/hook';
import { useConnectorTypes } from '../connectors/queries';
import type { TabProps } from './Datasource';
import { Jobs } from './Jobs';

const MetricsQuery = graphql(`
  query Metrics($id: ID!, $window: String!) {
    datasourceMetrics(id: $id, window: $window) {
      name
      unit
      value
      points {
        at
        value
      }
    }
  }
`);

export default function Overview({ datasource }: TabProps) {
  return (
    <Stack gap="md">
      <StateError datasource={datasource} />
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        <State datasource={datasource} />
        <About datasource={datasource} />
      </SimpleGrid>
      <Charts id={datasource.id} />
      {datasource.webhookPath && <Hook datasource={datasource} path={datasource.webhookPath} />}
      <Jobs datasource={datasource} />
    </Stack>
  );
}

function StateError({ datasource: { state } }: TabProps) {
  if (!state?.errorMessage) return null;
  return <ErrorView error={new ApiError(state.errorCode ?? 'WORKER', state.errorMessage)} />;
}

function State({ datasource }: TabProps) {
  const { state, currentVersion } = datasource;
  if (!state) {
    return (
      <Section title="State">
        <Text size="sm" c="dimmed">
          Nothing has run yet. Publish a version, and its worker shows here.
        </Text>
      </Section>
    );
  }
  const settled =
    (state.desired === 'RUNNING') === (state.workerStatus === 'RUNNING') &&
    (state.desired === 'STOPPED' || state.runningVersion === currentVersion?.version);
  const version = currentVersion ? `version ${currentVersion.version}` : '';
  return (
    <Section
      title="State"
      actions={<Dot tone={settled ? 'good' : 'warn'} label={settled ? 'As wanted' : 'Not as wanted'} />}
    >
      <Facts
        facts={[
          ['Wanted', state.desired === 'RUNNING' ? `running, ${version}` : 'stopped'],
          [
            'Observed',
            <Group key="observed" gap={8}>
              <WorkerState worker={state.workerStatus} />
              {state.runningVersion !== null && <span>version {state.runningVersion}</span>}
            </Group>,
          ],
          ['Last record', <Ago key="record" at={state.lastRecordAt} none="none yet" size="sm" />],
          ['Heartbeat', <Ago key="beat" at={state.lastHeartbeatAt} size="sm" />],
          ['Node', state.node],
          ['Retries', String(state.restartCount)],
          [
            'Checkpoint',
            state.checkpoint ? (
              <Code key="checkpoint" className="wrap-anywhere">
                {pretty(state.checkpoint).replaceAll(/\s+/g, ' ')}
              </Code>
            ) : (
              'none'
            ),
          ],
        ]}
      />
    </Section>
  );
}

function About({ datasource }: TabProps) {
  const { id, owner, team, tags, project, managedBy, createdAt, createdBy, updatedAt, updatedBy } =
    datasource;
  const by = (who: string, at: string) => (
    <>
      <Ago at={at} size="sm" /> by {who}
    </>
  );
  return (
    <Section title="About">
      <Facts
        facts={[
          ['Owner', team ? `${owner} (${team})` : owner],
          ['Project', project],
          ['Tags', tags.length > 0 ? tags.map((tag) => `#${tag}`).join(' ') : 'none'],
          ['Kept by', managedBy],
          ['Created', by(createdBy, createdAt)],
          ['Changed', by(updatedBy, updatedAt)],
          [
            'Id',
            <Group key="id" gap={2}>
              <span className="mono">{id}</span> <CopyIcon value={id} label="Copy the id" />
            </Group>,
          ],
        ]}
      />
    </Section>
  );
}

const WINDOWS = { '5m': '5 minutes', '15m': '15 minutes', '1h': '1 hour' };

function Charts({ id }: { id: string }) {
  const [window, setWindow] = useState('15m');
  const metrics = useQuery({
    queryKey: ['metrics', id, window],
    queryFn: async () => (await request(MetricsQuery, { id, window })).datasourceMetrics,
    refetchInterval: 5_000,
  });
  const metric = (name: string) =>
    metrics.data?.find((each) => each.name === name) ?? { value: 0, points: [] };
  const letters = metric('dead_letters').value;
  return (
    <Section
      title="Metrics"
      actions={
        <NativeSelect
          size="xs"
          aria-label="Window"
          value={window}
          onChange={(event) => setWindow(event.currentTarget.value)}
          data={Object.entries(WINDOWS).map(([value, label]) => ({ value, label: `Last ${label}` }))}
        />
      }
    >
      {metrics.error && <ErrorView error={metrics.error} />}
      <SimpleGrid cols={{ base: 1, xs: 2, lg: 4 }} spacing="lg">
        <Chart title="Rate" now={rate(metric('ingest_rate').value)} points={metric('ingest_rate').points} />
        <Chart
          title="Delivered"
          now={count(metric('records_delivered').value)}
          points={metric('records_delivered').points}
        />
        <Chart
          title="Failed"
          now={count(metric('records_failed').value)}
          points={metric('records_failed').points}
          colour="--studio-bad"
        />
        <Chart
          title="Latency"
          now={seconds(metric('delivery_latency').value)}
          points={metric('delivery_latency').points}
        />
      </SimpleGrid>
      {letters > 0 && (
        <Text size="sm" mt="sm">
          <Anchor component={Link} to={`/catalog/${id}/dead-letters`}>
            {count(letters)} dead {letters === 1 ? 'letter' : 'letters'}
          </Anchor>{' '}
          wait for somebody.
        </Text>
      )}
    </Section>
  );
}

function Hook({ datasource, path }: TabProps & { path: string }) {
  const sample = useConnectorTypes().data?.find(({ name }) => name === datasource.type)?.sample;
  const curl = curlOfHook(path, (datasource.currentVersion ?? datasource.latestVersion)?.config, sample);
  const url = `${location.origin}${path}`;
  return (
    <Section title="Address" intro="Payloads are posted here.">
      <Group gap={4} wrap="nowrap">
        <Code className="wrap-anywhere" fz={13}>
          {url}
        </Code>
        <CopyIcon value={url} label="Copy the address" />
        <CopyIcon value={curl} label="Copy a curl command that sends the example" curl />
      </Group>
    </Section>
  );
}
