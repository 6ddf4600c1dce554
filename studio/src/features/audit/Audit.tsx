import { Button, Code, Group, Loader, Table, Text, TextInput } from '@mantine/core';
import { IconHistory, IconLock } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { request } from '../../api/client';
import { graphql } from '../../api/generated';
import type { AuditQuery as Log } from '../../api/generated/graphql';
import { useCan } from '../../api/viewer';
import { EmptyState } from '../../components/EmptyState';
import { ErrorView } from '../../components/ErrorView';
import { words } from '../../components/format';
import { Page } from '../../components/Page';
import { Dot } from '../../components/Status';
import { Ago } from '../../components/time';

const AuditQuery = graphql(`
  query Audit($filter: AuditFilterInput, $after: String) {
    auditLog(filter: $filter, first: 50, after: $after) {
      nodes {
        id
        action
        actor
        createdAt
        datasourceId
        field
        oldValue
        newValue
        outcome
        reason
        requestId
        sourceAddress
        hash
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

type Entry = Log['auditLog']['nodes'][number];

export function Audit() {
  const can = useCan();
  if (can('audit:read')) return <Entries />;
  return (
    <Page title="Audit">
      <div className="panel">
        <EmptyState icon={<IconLock size={24} />} title="Your role cannot read the audit log">
          It needs the role administrator. The events of a datasource are on its own page.
        </EmptyState>
      </div>
    </Page>
  );
}

function Entries() {
  const search = useSearch({ from: '/audit' });
  const navigate = useNavigate({ from: '/audit' });
  const [draft, setDraft] = useState({ actor: search.actor ?? '', action: search.action ?? '' });
  const list = useInfiniteQuery({
    queryKey: ['audit', search],
    queryFn: ({ pageParam }) => request(AuditQuery, { filter: search, after: pageParam }),
    initialPageParam: null as string | null,
    getNextPageParam: ({ auditLog: { pageInfo } }) => (pageInfo.hasNextPage ? pageInfo.endCursor : undefined),
  });
  const entries = list.data?.pages.flatMap((page) => page.auditLog.nodes) ?? [];
  return (
    <Page
      title="Audit"
      intro="Who did what, when, from where and why. Entries are chained by hash: a change of one would show in all that follow."
    >
      <form
        role="search"
        aria-label="Audit log"
        onSubmit={(event) => {
          event.preventDefault();
          const { actor, action } = draft;
          void navigate({ search: { ...(actor ? { actor } : {}), ...(action ? { action } : {}) } });
        }}
      >
        <Group gap="xs">
          <TextInput
            aria-label="Who"
            placeholder="Who"
            value={draft.actor}
            onChange={(event) => setDraft({ ...draft, actor: event.currentTarget.value })}
          />
          <TextInput
            aria-label="Action"
            placeholder="Action, such as publish"
            value={draft.action}
            onChange={(event) => setDraft({ ...draft, action: event.currentTarget.value })}
          />
          <Button type="submit" variant="default">
            Filter
          </Button>
        </Group>
      </form>
      {list.error && <ErrorView error={list.error} retry={() => void list.refetch()} />}
      {list.isPending && <Loader aria-label="Loading" />}
      {list.isSuccess && entries.length === 0 && (
        <div className="panel">
          <EmptyState icon={<IconHistory size={24} />} title="Nothing matches">
            Names of actions are those of events: publish, rollback, secret_set and so on.
          </EmptyState>
        </div>
      )}
      {entries.length > 0 && (
        <div className="panel">
          <Table.ScrollContainer minWidth={820}>
            <Table highlightOnHover>
              <Table.Thead>
                <Table.Tr>
                  {['When', 'Who', 'What', 'Change', 'Why', 'From'].map((head) => (
                    <Table.Th key={head}>{head}</Table.Th>
                  ))}
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {entries.map((entry) => (
                  <Row key={entry.id} entry={entry} />
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        </div>
      )}
      {list.hasNextPage && (
        <Group>
          <Button
            variant="default"
            loading={list.isFetchingNextPage}
            onClick={() => void list.fetchNextPage()}
          >
            Earlier entries
          </Button>
        </Group>
      )}
    </Page>
  );
}

function Row({ entry }: { entry: Entry }) {
  const { action, actor, createdAt, datasourceId, field, oldValue, newValue, outcome, reason, requestId } =
    entry;
  return (
    <Table.Tr>
      <Table.Td style={{ whiteSpace: 'nowrap' }}>
        <Ago at={createdAt} size="sm" />
      </Table.Td>
      <Table.Td>{actor}</Table.Td>
      <Table.Td>
        {datasourceId ? (
          <Link
            to="/catalog/$id/$tab"
            params={{ id: datasourceId, tab: 'events' }}
            style={{ color: 'var(--mantine-color-anchor)' }}
          >
            {words(action)}
          </Link>
        ) : (
          words(action)
        )}
        {outcome !== 'SUCCESS' && <Dot tone="bad" label={words(outcome)} size="xs" />}
      </Table.Td>
      <Table.Td className="wrap-anywhere" maw={320}>
        {field && (
          <Text size="sm" lineClamp={3}>
            {field}: <Code>{JSON.stringify(oldValue)}</Code> → <Code>{JSON.stringify(newValue)}</Code>
          </Text>
        )}
      </Table.Td>
      <Table.Td>{reason}</Table.Td>
      <Table.Td>
        <Text size="xs" c="dimmed" className="wrap-anywhere">
          {entry.sourceAddress ?? 'the server itself'}
          <br />
          <span title="Request id">{requestId.slice(0, 18)}</span>
        </Text>
      </Table.Td>
    </Table.Tr>
  );
}
