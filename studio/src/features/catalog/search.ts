import type {
  DatasourceFilterInput,
  DatasourceOrderInput,
  DatasourceStatus,
} from '../../api/generated/graphql';

export const STATUSES: DatasourceStatus[] = ['ACTIVE', 'ERROR', 'DISABLED', 'DRAFT'];
export const SORTS = { newest: 'Newest first', name: 'By name', changed: 'Last changed' } as const;
export type Sort = keyof typeof SORTS;

/** What the address of the catalog says: a filter is a link. */
export interface CatalogSearch {
  q?: string;
  status?: DatasourceStatus[];
  type?: string;
  owner?: string;
  tag?: string;
  archived?: boolean;
  sort?: Sort;
}

const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);

/** Takes what it knows and drops the rest, so that an old or mistyped link still opens. */
export function catalogSearch(search: Record<string, unknown>): CatalogSearch {
  const status = (Array.isArray(search.status) ? search.status : [search.status]) as unknown[];
  const known = STATUSES.filter((each) => status.includes(each));
  const sort = text(search.sort);
  const found: CatalogSearch = {
    q: text(typeof search.q === 'number' ? String(search.q) : search.q),
    status: known.length > 0 ? known : undefined,
    type: text(search.type),
    owner: text(search.owner),
    tag: text(search.tag),
    archived: search.archived === true || undefined,
    sort: sort && sort in SORTS ? (sort as Sort) : undefined,
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}

export function filterOf(search: CatalogSearch): DatasourceFilterInput {
  return {
    archived: search.archived ?? false,
    search: search.q,
    status: search.status,
    type: search.type ? [search.type] : undefined,
    owner: search.owner,
    tag: search.tag,
  };
}

export function orderOf(sort: Sort = 'newest'): DatasourceOrderInput {
  if (sort === 'name') return { field: 'NAME', direction: 'ASC' };
  return { field: sort === 'changed' ? 'UPDATED_AT' : 'CREATED_AT', direction: 'DESC' };
}

export function isNarrowed(search: CatalogSearch): boolean {
  return Boolean(search.q ?? search.status ?? search.type ?? search.owner ?? search.tag ?? search.archived);
}
