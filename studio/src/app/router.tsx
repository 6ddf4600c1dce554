import { Anchor, Center, Loader, Stack } from '@mantine/core';
import { IconMapOff } from '@tabler/icons-react';
import type { QueryClient } from '@tanstack/react-query';
import { createRootRoute, createRoute, createRouter, Link, redirect } from '@tanstack/react-router';
import { EmptyState } from '../components/EmptyState';
import { ErrorView } from '../components/ErrorView';
import { Catalog } from '../features/catalog/Catalog';
import { catalogSearch } from '../features/catalog/search';
import { Shell } from './Shell';

const root = createRootRoute({ component: Shell });

const catalog = createRoute({
  getParentRoute: () => root,
  path: '/',
  validateSearch: catalogSearch,
  component: Catalog,
});

const create = createRoute({
  getParentRoute: () => root,
  path: '/new',
  validateSearch: (search: Record<string, unknown>): { type?: string; id?: string } => ({
    ...(typeof search.type === 'string' ? { type: search.type } : {}),
    ...(typeof search.id === 'string' ? { id: search.id } : {}),
  }),
}).lazy(() => import('../features/create/route').then((m) => m.route));

const datasource = createRoute({
  getParentRoute: () => root,
  path: '/catalog/$id',
  beforeLoad: ({ params, location }) => {
    if (location.pathname.replace(/\/$/, '') === `/catalog/${params.id}`) {
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- how the router redirects
      throw redirect({ to: '/catalog/$id/$tab', params: { id: params.id, tab: 'overview' } });
    }
  },
});

const tab = createRoute({ getParentRoute: () => root, path: '/catalog/$id/$tab' }).lazy(() =>
  import('../features/datasource/route').then((m) => m.route),
);

const connectors = createRoute({ getParentRoute: () => root, path: '/connectors' }).lazy(() =>
  import('../features/connectors/route').then((m) => m.route),
);

const audit = createRoute({
  getParentRoute: () => root,
  path: '/audit',
  validateSearch: (search: Record<string, unknown>): { actor?: string; action?: string } => ({
    ...(typeof search.actor === 'string' && search.actor ? { actor: search.actor } : {}),
    ...(typeof search.action === 'string' && search.action ? { action: search.action } : {}),
  }),
}).lazy(() => import('../features/audit/route').then((m) => m.route));

const registry = createRoute({ getParentRoute: () => root, path: '/registry' }).lazy(() =>
  import('../features/registry/route').then((m) => m.route),
);

const developers = createRoute({ getParentRoute: () => root, path: '/developers' }).lazy(() =>
  import('../features/developers/route').then((m) => m.route),
);

const account = createRoute({ getParentRoute: () => root, path: '/account' }).lazy(() =>
  import('../features/account/route').then((m) => m.route),
);

const routeTree = root.addChildren([
  catalog,
  create,
  datasource,
  tab,
  connectors,
  audit,
  registry,
  developers,
  account,
]);

function NotFound() {
  return (
    <EmptyState icon={<IconMapOff size={24} />} title="There is nothing at this address">
      It may have moved.{' '}
      <Anchor component={Link} to="/">
        Go to the catalog
      </Anchor>
    </EmptyState>
  );
}

export function makeRouter(queryClient: QueryClient) {
  return createRouter({
    routeTree,
    defaultPreload: 'intent',
    scrollRestoration: true,
    defaultNotFoundComponent: NotFound,
    defaultPendingComponent: () => (
      <Center mih={240}>
        <Loader aria-label="Loading" />
      </Center>
    ),
    defaultErrorComponent: ({ error, reset }) => (
      <Stack maw={720}>
        <ErrorView
          error={error}
          retry={() => {
            void queryClient.resetQueries();
            reset();
          }}
        />
      </Stack>
    ),
  });
}
