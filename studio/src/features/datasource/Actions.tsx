import { Group } from '@mantine/core';
import { IconArchive, IconPlayerPlay, IconPlayerStop, IconRefresh, IconRestore } from '@tabler/icons-react';
import { graphql } from '../../api/generated';
import { ActionButton } from '../../components/ActionButton';
import type { TabProps } from './Datasource';

const StartMutation = graphql(`
  mutation Start($input: DatasourceActionInput!) {
    startDatasource(input: $input) {
      datasource {
        id
      }
    }
  }
`);
const StopMutation = graphql(`
  mutation Stop($input: DatasourceActionInput!) {
    stopDatasource(input: $input) {
      datasource {
        id
      }
    }
  }
`);
const RestartMutation = graphql(`
  mutation Restart($input: DatasourceActionInput!) {
    restartDatasource(input: $input) {
      datasource {
        id
      }
    }
  }
`);
const ArchiveMutation = graphql(`
  mutation Archive($input: ArchiveDatasourceInput!) {
    archiveDatasource(input: $input) {
      datasource {
        id
      }
    }
  }
`);
const RestoreMutation = graphql(`
  mutation Restore($input: DatasourceActionInput!) {
    restoreDatasource(input: $input) {
      datasource {
        id
      }
    }
  }
`);

const ICON = { size: 15, 'aria-hidden': true } as const;

/** What can be done with the datasource as a whole, as it is now. */
export function Actions({ datasource }: TabProps) {
  const { id, name, state, currentVersion, archivedAt } = datasource;
  const input = (reason?: string) => ({ input: { id, reason } });
  const wanted = state?.desired === 'RUNNING';
  if (archivedAt) {
    return (
      <ActionButton
        label="Restore"
        permission="datasource:archive"
        leftSection={<IconRestore {...ICON} />}
        explains={<>Brings {name} back to the catalog, stopped. Its name must still be free.</>}
        document={RestoreMutation}
        variables={input}
        asks="Why? (for the audit log)"
        done={`${name} is back, stopped`}
      />
    );
  }
  return (
    <Group gap="xs">
      {currentVersion && !wanted && (
        <ActionButton
          label="Start"
          permission="datasource:operate"
          leftSection={<IconPlayerPlay {...ICON} />}
          explains={<>Asks for version {currentVersion.version} to run, from where it stopped.</>}
          document={StartMutation}
          variables={input}
          asks="Why? (for the audit log)"
          done={`${name} was asked to start`}
        />
      )}
      {currentVersion && wanted && (
        <>
          <ActionButton
            label="Restart"
            permission="datasource:operate"
            leftSection={<IconRefresh {...ICON} />}
            explains="Asks for a fresh worker of the same version. What is in flight is delivered first; no record is lost."
            document={RestartMutation}
            variables={input}
            asks="Why? (for the audit log)"
            done={`${name} gets a fresh worker`}
          />
          <ActionButton
            label="Stop"
            permission="datasource:operate"
            leftSection={<IconPlayerStop {...ICON} />}
            explains={
              datasource.webhookPath
                ? 'What is in flight is delivered, then the worker stops. Until you start it again, senders are refused.'
                : 'What is in flight is delivered, then the worker stops. A start goes on from there.'
            }
            document={StopMutation}
            variables={input}
            asks="Why? (for the audit log)"
            done={`${name} was asked to stop`}
          />
        </>
      )}
      <ActionButton
        label="Archive"
        permission="datasource:archive"
        leftSection={<IconArchive {...ICON} />}
        danger
        explains={`Stops ${name} and hides it from the catalog. Its history stays, and you can restore it; its name becomes free.`}
        document={ArchiveMutation}
        variables={input}
        asks="Why? (for the audit log)"
        done={`${name} is archived`}
      />
    </Group>
  );
}
