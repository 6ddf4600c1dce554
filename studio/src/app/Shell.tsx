import {
  ActionIcon,
  AppShell,
  Burger,
  Group,
  NavLink,
  Text,
  Tooltip,
  VisuallyHidden,
  useComputedColorScheme,
  useMantineColorScheme,
} from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import {
  IconDatabase,
  IconHistory,
  IconMoon,
  IconPlug,
  IconPlus,
  IconServer2,
  IconSun,
  IconTerminal2,
  IconUser,
} from '@tabler/icons-react';
import { Link, Outlet, useRouterState } from '@tanstack/react-router';
import { useEffect } from 'react';
import { useLink } from '../api/live';
import { useCan, useViewer } from '../api/viewer';
import { words } from '../components/format';
import { Dot } from '../components/Status';
import { Mark } from './Mark';
import classes from './Shell.module.css';

const ICON = { size: 18, stroke: 1.6, 'aria-hidden': true } as const;

export function Shell() {
  const [open, { toggle, close }] = useDisclosure();
  const path = useRouterState({ select: (state) => state.location.pathname });
  useEffect(close, [path, close]);
  return (
    <AppShell
      header={{ height: 52 }}
      navbar={{ width: 216, breakpoint: 'sm', collapsed: { mobile: !open } }}
      padding={{ base: 'sm', sm: 'lg' }}
    >
      <a href="#main" className={classes.skip}>
        Skip to the content
      </a>
      <AppShell.Header className={classes.header}>
        <Group gap="xs">
          <Burger opened={open} onClick={toggle} hiddenFrom="sm" size="sm" aria-label="Menu" />
          <Link to="/" className={classes.brand}>
            <Mark size={24} />
            <Text fw={600} span>
              Datasource Studio
            </Text>
          </Link>
        </Group>
        <Group gap="sm">
          <Connection />
          <ThemeSwitch />
        </Group>
      </AppShell.Header>
      <AppShell.Navbar className={classes.navbar} aria-label="Main">
        <Navigation path={path} />
      </AppShell.Navbar>
      <AppShell.Main id="main" tabIndex={-1} className={classes.main}>
        <Outlet />
      </AppShell.Main>
    </AppShell>
  );
}

function Navigation({ path }: { path: string }) {
  const can = useCan();
  const { subject, org, role } = useViewer();
  const item = (to: string, label: string, icon: React.ReactNode, active: boolean) => (
    <NavLink
      component={Link}
      to={to}
      label={label}
      leftSection={icon}
      active={active}
      aria-current={active ? 'page' : undefined}
      className={classes.item}
    />
  );
  return (
    <>
      <div className={classes.grow}>
        {item('/', 'Catalog', <IconDatabase {...ICON} />, path === '/' || path.startsWith('/catalog'))}
        {can('datasource:edit') && item('/new', 'New datasource', <IconPlus {...ICON} />, path === '/new')}
        {item('/connectors', 'Connectors', <IconPlug {...ICON} />, path === '/connectors')}
        {can('audit:read') && item('/audit', 'Audit', <IconHistory {...ICON} />, path === '/audit')}
        {can('registry:read') &&
          item('/registry', 'Registry', <IconServer2 {...ICON} />, path === '/registry')}
        {item('/developers', 'Developers', <IconTerminal2 {...ICON} />, path === '/developers')}
      </div>
      <NavLink
        component={Link}
        to="/account"
        label={subject}
        description={`${words(role)} · ${org}`}
        leftSection={<IconUser {...ICON} />}
        active={path === '/account'}
        className={classes.item}
      />
    </>
  );
}

function Connection() {
  const link = useLink();
  if (link === 'idle' || link === 'connecting') return null;
  return (
    <Tooltip
      label={
        link === 'live' ? 'What you see is kept up to date' : 'The connection was lost; it is tried again'
      }
    >
      <span role="status">
        {link === 'live' ? (
          <Dot tone="good" label="Live" size="xs" />
        ) : (
          <Dot tone="warn" label="Reconnecting" size="xs" />
        )}
      </span>
    </Tooltip>
  );
}

function ThemeSwitch() {
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme('light', { getInitialValueInEffect: false });
  const next = scheme === 'light' ? 'dark' : 'light';
  return (
    <ActionIcon variant="subtle" color="gray" size="lg" onClick={() => setColorScheme(next)}>
      {scheme === 'light' ? <IconMoon {...ICON} /> : <IconSun {...ICON} />}
      <VisuallyHidden>Switch to {next} colours</VisuallyHidden>
    </ActionIcon>
  );
}
