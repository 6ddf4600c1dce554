import { Button, Group, Loader, NativeSelect, Stack, Table, Text } from '@mantine/core';
import { IconVersions } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { request } from '../../api/client';
import { graphql } from '../../api/generated';
import type { VersionFieldsFragment, VersionState } from '../../api/generated/graphql';
import { TextDiff } from '../../components/CodeEditor';
import { EmptyState } from '../../components/EmptyState';
import { ErrorView } from '../../components/ErrorView';
import { pretty } from '../../components/format';
import { Section } from '../../components/Section';
import { Dot, type Tone } from '../../components/Status';
import { Ago } from '../../components/time';
import type { TabProps } from './Datasource';
import { Changes, Publish, Rollback } from './Publish';

const VersionsQuery = graphql(`
  query Versions($id: ID!, $after: String) {
    datasource(id: $id) {
      versions(first: 30, after: $after) {
        nodes {
          ...VersionFields
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  }
`);

const STATE: Record<VersionState, { tone: Tone; label: string }> = {
  PUBLISHED: { tone: 'good', label: 'Published' },
  DRAFT: { tone: 'warn', label: 'Draft' },
  ARCHIVED: { tone: 'idle', label: 'Before' },
};

export default function Versions({ datasource }: TabProps) {
  const { id, currentVersion } = datasource;
  const list = useInfiniteQuery({
    queryKey: ['versions', id],
    queryFn: ({ pageParam }) => request(VersionsQuery, { id, after: pageParam }),
    initialPageParam: null as string | null,
    getNextPageParam: ({ datasource: found }) =>
      found?.versions.pageInfo.hasNextPage ? found.versions.pageInfo.endCursor : undefined,
  });
  const versions = list.data?.pages.flatMap((page) => page.datasource?.versions.nodes ?? []) ?? [];
  if (list.error) return <ErrorView error={list.error} retry={() => void list.refetch()} />;
  if (list.isPending) return <Loader aria-label="Loading" />;
  if (versions.length === 0) {
    return (
      <div className="panel">
        <EmptyState icon={<IconVersions size={24} />} title="No versions yet">
          A version is a configuration that does not change any more. Save one under Configuration; publishing
          makes it live, and a rollback brings an earlier one back.
        </EmptyState>
      </div>
    );
  }
  return (
    <Stack gap="md">
      <Section title="History" intro="Versions never change. Exactly one is published.">
        <Table.ScrollContainer minWidth={640}>
          <Table>
            <Table.Thead>
              <Table.Tr>
                {['Version', 'Comment', 'Drafted', 'Live since', ''].map((head) => (
                  <Table.Th key={head}>{head}</Table.Th>
                ))}
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {versions.map((version) => (
                <Row key={version.id} version={version} datasource={datasource} />
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
        {list.hasNextPage && (
          <Button
            variant="default"
            mt="sm"
            loading={list.isFetchingNextPage}
            onClick={() => void list.fetchNextPage()}
          >
            Older versions
          </Button>
        )}
      </Section>
      {versions.length > 1 && <Compare id={id} versions={versions} published={currentVersion?.version} />}
    </Stack>
  );
}

function Row({ version, datasource }: TabProps & { version: VersionFieldsFragment }) {
  return (
    <Table.Tr>
      <Table.Td>
        <Group gap={8} wrap="nowrap">
          <b>{version.version}</b>
          <Dot {...STATE[version.state]} />
        </Group>
      </Table.Td>
      <Table.Td>
        {version.comment ?? (
          <Text span c="dimmed" size="sm">
            none
          </Text>
        )}
      </Table.Td>
      <Table.Td>
        <Ago at={version.createdAt} size="sm" /> by {version.createdBy}
      </Table.Td>
      <Table.Td>
        {version.publishedAt ? (
          <>
            <Ago at={version.publishedAt} size="sm" /> by {version.publishedBy}
          </>
        ) : (
          'never'
        )}
      </Table.Td>
      <Table.Td>
        {datasource.archivedAt === null && version.state === 'DRAFT' && (
          <Publish datasource={datasource} version={version} />
        )}
        {datasource.archivedAt === null && version.state === 'ARCHIVED' && (
          <Rollback datasource={datasource} version={version} />
        )}
      </Table.Td>
    </Table.Tr>
  );
}

interface CompareProps {
  id: string;
  versions: VersionFieldsFragment[];
  published?: number;
}

function Compare({ id, versions, published }: CompareProps) {
  const newest = versions[0]?.version ?? 1;
  const [to, setTo] = useState(newest);
  const [from, setFrom] = useState(
    published && published !== newest ? published : (versions[1]?.version ?? 1),
  );
  const find = (version: number) => versions.find((each) => each.version === version);
  const options = versions.map(({ version, comment }) => ({
    value: String(version),
    label: comment ? `${version}: ${comment}` : String(version),
  }));
  return (
    <Section title="Compare">
      <Group mb="sm">
        <NativeSelect
          label="From"
          data={options}
          value={String(from)}
          onChange={(e) => setFrom(Number(e.currentTarget.value))}
        />
        <NativeSelect
          label="To"
          data={options}
          value={String(to)}
          onChange={(e) => setTo(Number(e.currentTarget.value))}
        />
      </Group>
      <Stack gap="sm">
        <Changes id={id} from={from} to={to} />
        <TextDiff
          label="Configuration"
          before={pretty(find(from)?.config)}
          after={pretty(find(to)?.config)}
        />
      </Stack>
    </Section>
  );
}
