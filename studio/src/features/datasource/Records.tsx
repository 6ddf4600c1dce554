import { Badge, Code, Group, Stack, Text } from '@mantine/core';
import { IconBroadcast } from '@tabler/icons-react';
import { ApiError } from '../../api/client';
import { useSubscription } from '../../api/live';
import { EmptyState } from '../../components/EmptyState';
import { ErrorView } from '../../components/ErrorView';
import { pretty } from '../../components/format';
import { Section } from '../../components/Section';
import { Ago } from '../../components/time';
import type { TabProps } from './Datasource';
import { FeedControls } from './FeedControls';
import { RecordsSubscription, type Tapped } from './queries';
import { useFeed } from './useFeed';

export default function Records({ datasource }: TabProps) {
  const feed = useFeed<Tapped>(100);
  const failure = useSubscription(RecordsSubscription, { id: datasource.id }, ({ datasourceRecords }) =>
    feed.push(datasourceRecords),
  );
  return (
    <Section
      title="Live records"
      intro="What the sink acknowledges from now on: at most 20 a second, never at the cost of the delivery."
      actions={<FeedControls feed={feed} />}
    >
      {failure && <ErrorView error={new ApiError('UNAVAILABLE', failure)} />}
      {feed.lines.length === 0 && !failure && (
        <EmptyState icon={<IconBroadcast size={24} />} title="Listening">
          {datasource.state?.workerStatus === 'RUNNING'
            ? 'The next record that is delivered shows here.'
            : 'Nothing runs: publish a version or start the worker, and its records show here.'}
        </EmptyState>
      )}
      <Stack gap="sm" aria-live="polite" aria-relevant="additions">
        {feed.lines.map((record) => (
          <article key={`${record.id}${record.ingestedAt}`}>
            <Group gap={8} mb={2}>
              <Badge variant="default" radius="sm" tt="none">
                {record.kind}
              </Badge>
              <Text size="xs" className="mono wrap-anywhere">
                {record.id}
              </Text>
              <Text size="xs" c="dimmed">
                version {record.version}, <Ago at={record.ingestedAt} size="xs" />
                {record.passed > 0 && `, ${record.passed} more went by`}
              </Text>
            </Group>
            <Code block fz={12.5} mah={220} style={{ overflow: 'auto' }} tabIndex={0}>
              {record.data === null ? 'longer than 4 KiB; look at the sink' : pretty(record.data)}
            </Code>
          </article>
        ))}
      </Stack>
    </Section>
  );
}
