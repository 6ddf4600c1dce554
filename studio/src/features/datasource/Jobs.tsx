import { Group, Progress, Stack, Table, Text, TextInput } from '@mantine/core';
import { IconRewindBackward15 } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { request } from '../../api/client';
import { graphql } from '../../api/generated';
import type { JobFieldsFragment } from '../../api/generated/graphql';
import { useSubscription } from '../../api/live';
import { ActionButton } from '../../components/ActionButton';
import { ErrorView } from '../../components/ErrorView';
import { count, rate, words } from '../../components/format';
import { Section } from '../../components/Section';
import { JobState } from '../../components/Status';
import { Ago } from '../../components/time';
import type { TabProps } from './Datasource';

graphql(`
  fragment JobFields on Job {
    id
    kind
    status
    version
    createdAt
    createdBy
    errorMessage
    cancelRequested
    progress {
      read
      delivered
      failed
      total
      rate
      etaSeconds
    }
  }
`);

const JobsQuery = graphql(`
  query Jobs($id: ID!) {
    datasourceJobs(id: $id, first: 20) {
      nodes {
        ...JobFields
      }
    }
  }
`);
const JobSubscription = graphql(`
  subscription WatchJob($id: ID!) {
    datasourceJob(id: $id) {
      ...JobFields
    }
  }
`);
const BackfillMutation = graphql(`
  mutation Backfill($input: BackfillDatasourceInput!) {
    backfillDatasource(input: $input) {
      job {
        id
      }
    }
  }
`);
const CancelMutation = graphql(`
  mutation CancelJob($input: CancelJobInput!) {
    cancelJob(input: $input) {
      job {
        id
      }
    }
  }
`);

/** Backfills and replays, with how far they are. */
export function Jobs({ datasource }: TabProps) {
  const { id } = datasource;
  const jobs = useQuery({
    queryKey: ['jobs', id],
    queryFn: async () => (await request(JobsQuery, { id })).datasourceJobs.nodes,
  });
  if (!datasource.currentVersion) return null;
  return (
    <Section
      title="Jobs"
      intro="Backfills and replays run beside the live worker, with a checkpoint of their own."
      actions={datasource.webhookPath === null && <Backfill id={id} />}
    >
      {jobs.error && <ErrorView error={jobs.error} />}
      {jobs.data?.length === 0 && (
        <Text size="sm" c="dimmed">
          {datasource.webhookPath === null
            ? 'None yet. A backfill reads a part of the source again.'
            : 'None yet. A replay of dead letters shows here.'}
        </Text>
      )}
      {(jobs.data?.length ?? 0) > 0 && (
        <Table.ScrollContainer minWidth={640}>
          <Table>
            <Table.Thead>
              <Table.Tr>
                {['Job', 'Status', 'Progress', 'Asked for', ''].map((head) => (
                  <Table.Th key={head}>{head}</Table.Th>
                ))}
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {jobs.data?.map((job) => (
                <JobRow key={job.id} job={job} datasource={id} />
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
    </Section>
  );
}

function JobRow({ job, datasource }: { job: JobFieldsFragment; datasource: string }) {
  const queries = useQueryClient();
  const active = job.status === 'QUEUED' || job.status === 'RUNNING';
  useSubscription(
    JobSubscription,
    { id: job.id },
    ({ datasourceJob: next }) =>
      queries.setQueryData<JobFieldsFragment[]>(['jobs', datasource], (jobs) =>
        jobs?.map((each) => (each.id === next.id ? next : each)),
      ),
    { enabled: active },
  );
  const { progress } = job;
  const done = progress.total ? (100 * progress.read) / progress.total : null;
  return (
    <Table.Tr>
      <Table.Td>
        {words(job.kind)}, version {job.version}
      </Table.Td>
      <Table.Td>
        <JobState status={job.status} />
        {job.errorMessage && (
          <Text size="xs" c="var(--studio-bad)">
            {job.errorMessage}
          </Text>
        )}
      </Table.Td>
      <Table.Td>
        <Stack gap={4}>
          {active && (
            <Progress value={done ?? 100} animated={done === null} size="sm" aria-label="Progress" />
          )}
          <Text size="xs" c="dimmed" className="nums">
            {count(progress.read)}
            {progress.total === null ? '' : ` of ${count(progress.total)}`} read, {count(progress.delivered)}{' '}
            delivered
            {progress.failed > 0 && `, ${count(progress.failed)} failed`}
            {active && progress.rate ? `, ${rate(progress.rate)}` : ''}
            {active && progress.etaSeconds ? `, ${Math.ceil(progress.etaSeconds)} s left` : ''}
          </Text>
        </Stack>
      </Table.Td>
      <Table.Td>
        <Ago at={job.createdAt} size="sm" /> by {job.createdBy}
      </Table.Td>
      <Table.Td>
        {active && !job.cancelRequested && (
          <ActionButton
            label="Cancel the job"
            size="compact-xs"
            permission="datasource:operate"
            explains="Ends it. What it delivered so far stays delivered."
            document={CancelMutation}
            variables={(reason) => ({ input: { id: job.id, reason } })}
            asks="Why? (for the audit log)"
            done="The job was asked to end"
          />
        )}
      </Table.Td>
    </Table.Tr>
  );
}

function Backfill({ id }: { id: string }) {
  const [from, setFrom] = useState('');
  const [to, setTo] = useState('');
  const at = (local: string) => (local ? new Date(local).toISOString() : undefined);
  return (
    <ActionButton
      label="Backfill"
      permission="datasource:operate"
      leftSection={<IconRewindBackward15 size={15} aria-hidden />}
      explains="Reads a part of the source again and delivers it, beside the live worker, whose checkpoint stays. Records that were delivered before come again, with the same ids."
      document={BackfillMutation}
      variables={(reason) => ({ input: { id, reason, range: { from: at(from), to: at(to) } } })}
      asks="Why? (for the audit log)"
      done="The backfill is queued"
    >
      <Group grow>
        <TextInput
          type="datetime-local"
          label="From"
          description="Your time zone"
          value={from}
          onChange={(event) => setFrom(event.currentTarget.value)}
        />
        <TextInput
          type="datetime-local"
          label="To"
          description="Empty: until now"
          value={to}
          onChange={(event) => setTo(event.currentTarget.value)}
        />
      </Group>
    </ActionButton>
  );
}
