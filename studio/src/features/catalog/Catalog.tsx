import { Button, Loader, Text } from '@mantine/core';
import { IconDatabase, IconFilterOff, IconPlus } from '@tabler/icons-react';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { useCan } from '../../api/viewer';
import { EmptyState } from '../../components/EmptyState';
import { ErrorView } from '../../components/ErrorView';
import { Page } from '../../components/Page';
import { Filters } from './Filters';
import { Grid } from './Grid';
import { useCatalog, useLiveCatalog } from './queries';
import { isNarrowed, type CatalogSearch } from './search';

export function Catalog() {
  const search = useSearch({ from: '/' });
  const navigate = useNavigate({ from: '/' });
  const can = useCan();
  const list = useCatalog(search);
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.datasources.nodes) ?? [], [list.data]);
  const total = list.data?.pages[0]?.datasources.totalCount;
  const [visible, setVisible] = useState<string[]>([]);
  useLiveCatalog(visible);

  const change = (change: Partial<CatalogSearch>) =>
    void navigate({ search: (before) => ({ ...before, ...change }), replace: true });
  const create = (
    <Button component={Link} to="/new" leftSection={<IconPlus size={16} />}>
      New datasource
    </Button>
  );
  return (
    <Page
      title="Catalog"
      intro={
        total === undefined
          ? 'Loading…'
          : `${total.toLocaleString('en')} ${total === 1 ? 'datasource' : 'datasources'}`
      }
      actions={can('datasource:edit') && create}
    >
      <Filters search={search} change={change} />
      {list.error && <ErrorView error={list.error} retry={() => void list.refetch()} />}
      {list.isPending && !list.error && <Loader aria-label="Loading" mx="auto" my={60} />}
      {list.isSuccess && rows.length === 0 && (
        <div className="panel">
          {isNarrowed(search) ? (
            <EmptyState
              icon={<IconFilterOff size={24} />}
              title="Nothing matches"
              action={
                <Button variant="default" mt="xs" onClick={() => void navigate({ search: {} })}>
                  Clear all filters
                </Button>
              }
            >
              No datasource has all of what the filters ask for. Every word of the search must be in the name,
              the description, the owner, the team, the category, the type or a tag.
            </EmptyState>
          ) : (
            <EmptyState
              icon={<IconDatabase size={24} />}
              title="No datasources yet"
              action={can('datasource:edit') ? create : undefined}
            >
              A datasource takes records from somewhere, maps them and delivers them. Start with a webhook: it
              shows its first record in two minutes.
            </EmptyState>
          )}
        </div>
      )}
      {rows.length > 0 && (
        <Grid
          rows={rows}
          total={total ?? rows.length}
          more={() => void (list.hasNextPage && !list.isFetchingNextPage && list.fetchNextPage())}
          onVisible={setVisible}
        />
      )}
      {rows.length > 0 && (
        <Text size="xs" c="dimmed" visibleFrom="sm">
          ↑ ↓ to move, Enter to open, / to search
        </Text>
      )}
    </Page>
  );
}
