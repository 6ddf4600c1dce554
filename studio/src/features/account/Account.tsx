import { Button, List, SegmentedControl, useMantineColorScheme } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { isPasted, signOut } from '../../api/session';
import { useViewer } from '../../api/viewer';
import { Facts } from '../../components/Facts';
import { words } from '../../components/format';
import { Page } from '../../components/Page';
import { Section } from '../../components/Section';
import { Ago } from '../../components/time';

const MEANING: Record<string, string> = {
  'datasource:read': 'See the catalog, versions, states, metrics and events',
  'datasource:edit': 'Create datasources and draft versions',
  'datasource:test': 'Test configurations on samples',
  'datasource:operate': 'Start, stop, restart and backfill',
  'dead_letter:handle': 'Look at, edit, replay and discard dead letters',
  'datasource:publish': 'Publish and roll back',
  'datasource:archive': 'Archive and restore',
  'secret:manage': 'Set and delete secrets',
  'datasource:export': 'Export everything',
  'metadata:manage': 'Change owner, team, category and tags of what is live',
  'registry:read': 'See the nodes and what runs on them',
  'audit:read': 'Read the audit log',
};

export function Account() {
  const viewer = useViewer();
  const queries = useQueryClient();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <Page title="Who am I" width={820}>
      <Section
        title={viewer.subject}
        actions={
          isPasted() && (
            <Button
              variant="default"
              size="sm"
              onClick={() => {
                signOut();
                queries.clear();
              }}
            >
              Sign out
            </Button>
          )
        }
      >
        <Facts
          facts={[
            ['Role', words(viewer.role)],
            ['Organisation', viewer.org],
            ['Projects', viewer.projects?.join(', ') ?? 'all'],
            ['Token ends', <Ago key="ends" ahead at={viewer.expiresAt} none="never" size="sm" />],
          ]}
        />
      </Section>
      <Section title="What you may do">
        <List size="sm">
          {viewer.permissions.map((permission) => (
            <List.Item key={permission}>{MEANING[permission] ?? permission}</List.Item>
          ))}
        </List>
      </Section>
      <Section title="Colours">
        <SegmentedControl
          aria-label="Colours"
          value={colorScheme}
          onChange={(value) => setColorScheme(value)}
          data={[
            { value: 'auto', label: 'As the system' },
            { value: 'light', label: 'Light' },
            { value: 'dark', label: 'Dark' },
          ]}
        />
      </Section>
    </Page>
  );
}
