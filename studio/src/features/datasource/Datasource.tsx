import { Anchor, Breadcrumbs, Center, Group, Loader, Stack, Tabs, Text, Title } from '@mantine/core';
import { useDocumentTitle } from '@mantine/hooks';
import { Link, notFound, useNavigate, useParams } from '@tanstack/react-router';
import { lazy, Suspense, type ComponentType } from 'react';
import { useCan, type Permission } from '../../api/viewer';
import { Health } from '../../components/Status';
import { Actions } from './Actions';
import { useDatasource, useLiveChanges, useLiveState, type Detail } from './queries';

export interface TabProps {
  datasource: Detail;
}

interface TabInfo {
  value: string;
  label: string;
  panel: ComponentType<TabProps>;
  needs?: Permission;
}

const TABS: TabInfo[] = [
  { value: 'overview', label: 'Overview', panel: lazy(() => import('./Overview')) },
  { value: 'configuration', label: 'Configuration', panel: lazy(() => import('./Configuration')) },
  { value: 'versions', label: 'Versions', panel: lazy(() => import('./Versions')) },
  { value: 'records', label: 'Live records', panel: lazy(() => import('./Records')) },
  { value: 'logs', label: 'Logs', panel: lazy(() => import('./Logs')) },
  { value: 'events', label: 'Events', panel: lazy(() => import('./Events')) },
  {
    value: 'dead-letters',
    label: 'Dead letters',
    panel: lazy(() => import('./DeadLetters')),
    needs: 'dead_letter:handle',
  },
  { value: 'secrets', label: 'Secrets', panel: lazy(() => import('./Secrets')) },
  { value: 'metadata', label: 'Metadata', panel: lazy(() => import('./Metadata')) },
];

export function Datasource() {
  const { id, tab } = useParams({ from: '/catalog/$id/$tab' });
  const datasource = useDatasource(id);
  const navigate = useNavigate();
  const can = useCan();
  useLiveState(datasource);
  useLiveChanges(id);
  useDocumentTitle(`${datasource.name} · Datasource Studio`);
  const tabs = TABS.filter(({ needs }) => !needs || can(needs));
  const current = tabs.find(({ value }) => value === tab);
  // eslint-disable-next-line @typescript-eslint/only-throw-error -- how the router says so
  if (!current) throw notFound();
  return (
    <Stack gap="md">
      <Header datasource={datasource} />
      <Tabs
        value={tab}
        onChange={(value) => value && void navigate({ to: '/catalog/$id/$tab', params: { id, tab: value } })}
        keepMounted={false}
      >
        <Tabs.List style={{ flexWrap: 'nowrap', overflowX: 'auto', overflowY: 'hidden' }} mb="md">
          {tabs.map(({ value, label }) => (
            <Tabs.Tab key={value} value={value} style={{ flexShrink: 0 }}>
              {label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value={tab}>
          <Suspense
            fallback={
              <Center mih={200}>
                <Loader aria-label="Loading" />
              </Center>
            }
          >
            <current.panel datasource={datasource} />
          </Suspense>
        </Tabs.Panel>
      </Tabs>
    </Stack>
  );
}

function Header({ datasource }: TabProps) {
  const { name, type, description, status, state, archivedAt, currentVersion } = datasource;
  return (
    <div>
      <Breadcrumbs mb={6} separatorMargin={6}>
        <Anchor component={Link} to="/" size="sm">
          Catalog
        </Anchor>
        <Text size="sm">{name}</Text>
      </Breadcrumbs>
      <Group justify="space-between" align="flex-start" gap="sm">
        <div>
          <Group gap="sm">
            <Title order={1} className="wrap-anywhere">
              {name}
            </Title>
            <Health status={status} worker={state?.workerStatus} archived={archivedAt !== null} />
          </Group>
          <Text size="sm" c="dimmed">
            {[type, currentVersion ? `version ${currentVersion.version}` : 'not published', description]
              .filter(Boolean)
              .join(' · ')}
          </Text>
        </div>
        <Actions datasource={datasource} />
      </Group>
    </div>
  );
}
