import { useDebouncedCallback } from '@mantine/hooks';
import { useInfiniteQuery, useQueryClient, type InfiniteData } from '@tanstack/react-query';
import { request } from '../../api/client';
import { graphql } from '../../api/generated';
import type {
  CatalogQuery as Page,
  RowFieldsFragment,
  StateFieldsFragment,
} from '../../api/generated/graphql';
import { useSubscription } from '../../api/live';
import { filterOf, orderOf, type CatalogSearch } from './search';

const CatalogQuery = graphql(`
  query Catalog($filter: DatasourceFilterInput, $orderBy: DatasourceOrderInput, $after: String) {
    datasources(filter: $filter, orderBy: $orderBy, first: 100, after: $after) {
      totalCount
      nodes {
        ...RowFields
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

const StatesSubscription = graphql(`
  subscription CatalogStates($ids: [ID!]!) {
    datasourceStates(ids: $ids) {
      ...StateFields
    }
  }
`);

const ChangesSubscription = graphql(`
  subscription CatalogChanges($types: [EventType!]) {
    datasourceEvents(types: $types) {
      id
      eventType
    }
  }
`);

/** Up to here a change elsewhere is worth reading the whole list again. */
const FEW_PAGES = 10;

export type Row = RowFieldsFragment;

export function useCatalog(search: CatalogSearch) {
  const { sort, ...narrowed } = search;
  return useInfiniteQuery({
    queryKey: ['catalog', narrowed, sort],
    queryFn: async ({ pageParam }) =>
      request(CatalogQuery, { filter: filterOf(search), orderBy: orderOf(sort), after: pageParam }),
    initialPageParam: null as string | null,
    getNextPageParam: ({ datasources: { pageInfo } }) =>
      pageInfo.hasNextPage ? pageInfo.endCursor : undefined,
    placeholderData: (before) => before,
  });
}

/** Keeps the rows on the screen as their workers are, and the list as people change it. */
export function useLiveCatalog(visible: string[]) {
  const queries = useQueryClient();
  // Many changes at once are one look; and who scrolled far does not fetch all of it again for one.
  const refresh = useDebouncedCallback(() => {
    const lists = queries.getQueriesData<InfiniteData<Page>>({ queryKey: ['catalog'], type: 'active' });
    const pages = Math.max(0, ...lists.map(([, data]) => data?.pages.length ?? 0));
    void queries.invalidateQueries({
      queryKey: ['catalog'],
      refetchType: pages > FEW_PAGES ? 'none' : 'active',
    });
  }, 300);
  useSubscription(
    StatesSubscription,
    { ids: visible },
    ({ datasourceStates: state }) =>
      queries.setQueriesData<InfiniteData<Page>>(
        { queryKey: ['catalog'] },
        (data) => data && patch(data, state),
      ),
    { enabled: visible.length > 0 },
  );
  useSubscription(
    ChangesSubscription,
    {
      types: [
        'CREATED',
        'CLONED',
        'UPDATED',
        'METADATA_UPDATED',
        'ARCHIVED',
        'RESTORED',
        'PUBLISHED',
        'ROLLED_BACK',
        'STARTED',
        'STOPPED',
      ],
    },
    refresh,
  );
}

function patch(data: InfiniteData<Page>, state: StateFieldsFragment): InfiniteData<Page> {
  const pages = data.pages.map((page) => {
    const at = page.datasources.nodes.findIndex((row) => row.id === state.datasourceId);
    if (at < 0) return page;
    const nodes = page.datasources.nodes.map((row, index) => (index === at ? withState(row, state) : row));
    return { datasources: { ...page.datasources, nodes } };
  });
  return { ...data, pages };
}

function withState(row: Row, state: StateFieldsFragment): Row {
  const failed = state.workerStatus === 'ERROR' || state.workerStatus === 'BACKING_OFF';
  const wanted = row.status === 'ACTIVE' || row.status === 'ERROR';
  return { ...row, state, status: wanted ? (failed ? 'ERROR' : 'ACTIVE') : row.status };
}
