import { Button, Checkbox, Code, Loader, Text, Timeline } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { request } from '../../api/client';
import { graphql } from '../../api/generated';
import type { EventType } from '../../api/generated/graphql';
import { ErrorView } from '../../components/ErrorView';
import { words } from '../../components/format';
import { Section } from '../../components/Section';
import { Ago } from '../../components/time';
import type { TabProps } from './Datasource';

const EventsQuery = graphql(`
  query Events($id: ID!, $after: String, $types: [EventType!]) {
    datasourceEvents(id: $id, first: 50, after: $after, types: $types) {
      nodes {
        id
        eventType
        actor
        version
        payload
        createdAt
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

/** Every preview is a test; the timeline is for what changed something. */
const SHOWN: Record<EventType, boolean> = {
  APPROVAL_EXPIRED: true,
  METADATA_UPDATED: true,
  APPROVAL_GRANTED: true,
  APPROVAL_REJECTED: true,
  APPROVAL_REQUESTED: true,
  APPROVAL_VOIDED: true,
  APPROVAL_WITHDRAWN: true,
  ARCHIVED: true,
  BACKFILL: true,
  BACKFILL_ENDED: true,
  CLONED: true,
  CREATED: true,
  DEAD_LETTERS_DISCARDED: true,
  DEAD_LETTERS_REPLAYED: true,
  DEAD_LETTER_EDITED: true,
  DROPPED: false,
  JOB_CANCELLED: true,
  LOG_LEVEL_SET: true,
  PUBLISHED: true,
  RECOVERED: true,
  RELOADED: true,
  REPLAY_ENDED: true,
  RESTARTED: true,
  RESTORED: true,
  ROLLED_BACK: true,
  SECRETS_REPINNED: true,
  SECRET_DELETED: true,
  SECRET_SET: true,
  SOURCE_CHECKED: false,
  STARTED: true,
  STOPPED: true,
  TEST_RUN: false,
  UPDATED: true,
  VERSION_CREATED: true,
  WORKER_ERROR: true,
};
const CHANGES = (Object.keys(SHOWN) as EventType[]).filter((type) => SHOWN[type]);

export default function Events({ datasource: { id } }: TabProps) {
  const [tests, setTests] = useState(false);
  const events = useInfiniteQuery({
    queryKey: ['events', id, tests],
    queryFn: ({ pageParam }) => request(EventsQuery, { id, after: pageParam, types: tests ? null : CHANGES }),
    initialPageParam: null as string | null,
    getNextPageParam: ({ datasourceEvents: { pageInfo } }) =>
      pageInfo.hasNextPage ? pageInfo.endCursor : undefined,
  });
  const nodes = events.data?.pages.flatMap((page) => page.datasourceEvents.nodes) ?? [];
  return (
    <Section
      title="Events"
      intro="What happened to it, newest first."
      actions={
        <Checkbox
          size="xs"
          label="Tests and checks too"
          checked={tests}
          onChange={(event) => setTests(event.currentTarget.checked)}
        />
      }
    >
      {events.error && <ErrorView error={events.error} retry={() => void events.refetch()} />}
      {events.isPending && <Loader aria-label="Loading" />}
      <Timeline bulletSize={14} lineWidth={2} active={-1}>
        {nodes.map(({ id: key, eventType, actor, version, payload, createdAt }) => (
          <Timeline.Item
            key={key}
            title={
              <Text size="sm" fw={500} c={eventType === 'WORKER_ERROR' ? 'var(--studio-bad)' : undefined}>
                {words(eventType)}
                {version !== null && ` · version ${version}`}
              </Text>
            }
          >
            <Text size="xs" c="dimmed">
              <Ago at={createdAt} size="xs" /> by {actor}
            </Text>
            <Payload payload={payload} />
          </Timeline.Item>
        ))}
      </Timeline>
      {events.hasNextPage && (
        <Button
          variant="default"
          mt="sm"
          loading={events.isFetchingNextPage}
          onClick={() => void events.fetchNextPage()}
        >
          Earlier events
        </Button>
      )}
    </Section>
  );
}

function Payload({ payload }: { payload: unknown }) {
  const entries = Object.entries((payload ?? {}) as Record<string, unknown>).filter(
    ([key, value]) => value !== null && key !== 'checksum',
  );
  if (entries.length === 0) return null;
  return (
    <Text size="xs" component="div" className="wrap-anywhere">
      {entries.map(([key, value]) => (
        <div key={key}>
          {key}: <Code fz={11.5}>{typeof value === 'string' ? value : JSON.stringify(value)}</Code>
        </div>
      ))}
    </Text>
  );
}
