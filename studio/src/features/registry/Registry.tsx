import { Anchor, Button, Group, Loader, Table, Text } from '@mantine/core';
import { IconLock, IconServer2 } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { request } from '../../api/client';
import { graphql } from '../../api/generated';
import type { RegistryQuery as Answer } from '../../api/generated/graphql';
import { useCan } from '../../api/viewer';
import { EmptyState } from '../../components/EmptyState';
import { ErrorView } from '../../components/ErrorView';
import { Page } from '../../components/Page';
import { Section } from '../../components/Section';
import { Dot, WorkerState } from '../../components/Status';
import { Ago } from '../../components/time';

const RegistryQuery = graphql(`
  query Registry($after: String) {
    registry {
      nodes {
        name
        role
        version
        alive
        workers
        startedAt
        lastHeartbeatAt
      }
      workers(first: 50, after: $after) {
        nodes {
          datasourceId
          slot
          node
          epoch
          workerStatus
          runningVersion
          errorMessage
          leaseUntil
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  }
`);

/** Which processes there are, and what runs where. */
export function Registry() {
  const can = useCan();
  if (can('registry:read')) return <Contents />;
  return (
    <Page title="Registry">
      <div className="panel">
        <EmptyState icon={<IconLock size={24} />} title="Your role cannot see the registry">
          It needs the role operator. The state of a datasource is on its own page.
        </EmptyState>
      </div>
    </Page>
  );
}

function Contents() {
  const list = useInfiniteQuery({
    queryKey: ['registry'],
    queryFn: async ({ pageParam }) => (await request(RegistryQuery, { after: pageParam })).registry,
    initialPageParam: null as string | null,
    getNextPageParam: ({ workers: { pageInfo } }) => (pageInfo.hasNextPage ? pageInfo.endCursor : undefined),
    refetchInterval: 10_000,
  });
  const workers = list.data?.pages.flatMap((page) => page.workers.nodes) ?? [];
  return (
    <Page title="Registry" intro="Which processes there are, and what runs where.">
      {list.error && <ErrorView error={list.error} retry={() => void list.refetch()} />}
      {list.isPending && <Loader aria-label="Loading" />}
      {list.data && <Nodes nodes={list.data.pages[0]?.nodes ?? []} />}
      {list.data && (
        <Section title="Workers" intro="One worker runs one datasource, on the lease of one node.">
          {workers.length === 0 ? (
            <EmptyState icon={<IconServer2 size={24} />} title="Nothing runs">
              Publish a datasource, and its worker shows here with the node that holds its lease.
            </EmptyState>
          ) : (
            <Workers workers={workers} />
          )}
          {list.hasNextPage && (
            <Group mt="sm">
              <Button
                variant="default"
                loading={list.isFetchingNextPage}
                onClick={() => void list.fetchNextPage()}
              >
                More workers
              </Button>
            </Group>
          )}
        </Section>
      )}
    </Page>
  );
}

type Registered = Answer['registry'];

function Heads({ of }: { of: string[] }) {
  return (
    <Table.Thead>
      <Table.Tr>
        {of.map((head) => (
          <Table.Th key={head}>{head}</Table.Th>
        ))}
      </Table.Tr>
    </Table.Thead>
  );
}

function Nodes({ nodes }: { nodes: Registered['nodes'] }) {
  return (
    <Section title="Nodes" intro="What a node ran that is not heard of any more, the others take over.">
      <Table.ScrollContainer minWidth={620}>
        <Table>
          <Heads of={['Node', 'State', 'Role', 'Version', 'Workers', 'Started', 'Heartbeat']} />
          <Table.Tbody>
            {nodes.map(({ name, role, version, alive, workers, startedAt, lastHeartbeatAt }) => (
              <Table.Tr key={name}>
                <Table.Td fw={500}>{name}</Table.Td>
                <Table.Td>
                  <Dot tone={alive ? 'good' : 'bad'} label={alive ? 'Alive' : 'Not heard of'} />
                </Table.Td>
                <Table.Td>{role}</Table.Td>
                <Table.Td>{version}</Table.Td>
                <Table.Td className="nums">{workers}</Table.Td>
                <Table.Td>
                  <Ago at={startedAt} size="sm" />
                </Table.Td>
                <Table.Td>
                  <Ago at={lastHeartbeatAt} size="sm" />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Section>
  );
}

function Workers({ workers }: { workers: Registered['workers']['nodes'] }) {
  return (
    <Table.ScrollContainer minWidth={680}>
      <Table>
        <Heads of={['Datasource', 'State', 'Version', 'Node', 'Lease ends', 'Epoch']} />
        <Table.Tbody>
          {workers.map((worker) => (
            <Table.Tr key={`${worker.datasourceId}/${worker.slot}`}>
              <Table.Td>
                <Anchor component={Link} to={`/catalog/${worker.datasourceId}/overview`} className="mono">
                  {worker.datasourceId}
                </Anchor>
                {worker.slot > 0 && ` slot ${worker.slot}`}
              </Table.Td>
              <Table.Td>
                <WorkerState worker={worker.workerStatus} />
                {worker.errorMessage && (
                  <Text size="xs" c="var(--studio-bad)" lineClamp={2} maw={320}>
                    {worker.errorMessage}
                  </Text>
                )}
              </Table.Td>
              <Table.Td>{worker.runningVersion ?? '–'}</Table.Td>
              <Table.Td>{worker.node ?? 'none'}</Table.Td>
              <Table.Td>
                <Ago at={worker.leaseUntil} ahead size="sm" />
              </Table.Td>
              <Table.Td className="nums">{worker.epoch}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
