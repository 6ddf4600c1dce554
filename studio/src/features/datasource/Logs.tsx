import { Group, NativeSelect, ScrollArea, Text } from '@mantine/core';
import { IconTerminal2 } from '@tabler/icons-react';
import { useState } from 'react';
import { ApiError } from '../../api/client';
import { graphql } from '../../api/generated';
import type { LogLevel, LogsSubscription as Logged } from '../../api/generated/graphql';
import { useSubscription } from '../../api/live';
import { ActionButton } from '../../components/ActionButton';
import { EmptyState } from '../../components/EmptyState';
import { ErrorView } from '../../components/ErrorView';
import { Section } from '../../components/Section';
import { exactTime } from '../../components/time';
import type { TabProps } from './Datasource';
import { FeedControls } from './FeedControls';
import { useFeed } from './useFeed';
import classes from './datasource.module.css';

const LogsSubscription = graphql(`
  subscription Logs($id: ID!, $level: LogLevel) {
    datasourceLogs(id: $id, level: $level) {
      at
      level
      message
      node
      version
      recordId
      passed
    }
  }
`);
const LevelMutation = graphql(`
  mutation LogMore($input: SetDatasourceLogLevelInput!) {
    setDatasourceLogLevel(input: $input) {
      datasource {
        id
      }
    }
  }
`);

const LEVELS: Record<LogLevel, string> = {
  ERROR: 'Errors',
  WARN: 'Warnings and errors',
  INFO: 'Information and above',
  DEBUG: 'Everything',
};

export default function Logs({ datasource: { id } }: TabProps) {
  const [level, setLevel] = useState<LogLevel>('DEBUG');
  const feed = useFeed<Logged['datasourceLogs']>(500);
  const failure = useSubscription(LogsSubscription, { id, level }, ({ datasourceLogs }) =>
    feed.push(datasourceLogs),
  );
  return (
    <Section
      title="Logs"
      intro="What its workers log from now on, newest first."
      actions={
        <Group gap="xs">
          <NativeSelect
            size="xs"
            aria-label="Level"
            value={level}
            onChange={(event) => setLevel(event.currentTarget.value as LogLevel)}
            data={Object.entries(LEVELS).map(([value, label]) => ({ value, label }))}
          />
          <ActionButton
            label="Log each record"
            size="xs"
            permission="datasource:operate"
            explains="Raises what the worker logs to DEBUG, one line a record, for ten minutes. Then it goes back by itself."
            document={LevelMutation}
            variables={(reason) => ({ input: { id, level: 'DEBUG' as const, duration: '10m', reason } })}
            asks="Why? (for the audit log)"
            done="Each record is logged for ten minutes"
          />
          <FeedControls feed={feed} />
        </Group>
      }
    >
      {failure && <ErrorView error={new ApiError('UNAVAILABLE', failure)} />}
      {feed.lines.length === 0 && !failure ? (
        <EmptyState icon={<IconTerminal2 size={24} />} title="Listening">
          Lines show as they are written. A calm worker says little: ask it to log each record to see more.
        </EmptyState>
      ) : (
        <ScrollArea.Autosize
          mah={560}
          viewportProps={{ tabIndex: 0, 'aria-label': 'Log lines', role: 'log' }}
        >
          {feed.lines.map((line, index) => (
            <div key={`${line.at}${index}`} className={classes.line} data-level={line.level}>
              <time dateTime={line.at} title={exactTime(line.at)}>
                {new Date(line.at).toLocaleTimeString()}
              </time>
              <b>{line.level}</b>
              <span className="wrap-anywhere">
                {line.message}
                {line.recordId && (
                  <Text span inherit c="dimmed">
                    {' '}
                    record {line.recordId}
                  </Text>
                )}
                {line.passed > 0 && (
                  <Text span inherit c="dimmed">
                    {' '}
                    ({line.passed} lines went by)
                  </Text>
                )}
              </span>
            </div>
          ))}
        </ScrollArea.Autosize>
      )}
    </Section>
  );
}
