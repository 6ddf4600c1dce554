import { Code, List, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { request } from '../../api/client';
import { graphql } from '../../api/generated';
import type { VersionFieldsFragment } from '../../api/generated/graphql';
import { ActionButton } from '../../components/ActionButton';
import { words } from '../../components/format';
import { PublishMutation, type Detail } from './queries';

const DiffQuery = graphql(`
  query Diff($id: ID!, $from: Int!, $to: Int!) {
    datasourceVersionDiff(id: $id, from: $from, to: $to) {
      changes {
        op
        path
        old
        new
      }
    }
  }
`);

const RollbackMutation = graphql(`
  mutation Rollback($input: RollbackDatasourceInput!) {
    rollbackDatasource(input: $input) {
      datasource {
        id
      }
    }
  }
`);

interface Props {
  datasource: Detail;
  version: VersionFieldsFragment;
}

/** What is different, place by place. */
export function Changes({ id, from, to }: { id: string; from: number; to: number }) {
  const diff = useQuery({
    queryKey: ['diff', id, from, to],
    queryFn: async () => (await request(DiffQuery, { id, from, to })).datasourceVersionDiff.changes,
    staleTime: Infinity,
  });
  if (!diff.data) return null;
  if (diff.data.length === 0) return <Text size="sm">Both configurations are the same.</Text>;
  return (
    <List size="sm" spacing={4}>
      {diff.data.map(({ op, path, old, new: next }) => (
        <List.Item key={op + path} className="wrap-anywhere">
          {words(op)} <Code>{path || '/'}</Code>
          {op !== 'ADD' && (
            <>
              {' '}
              was <Code>{JSON.stringify(old)}</Code>
            </>
          )}
          {op !== 'REMOVE' && (
            <>
              {op === 'REPLACE' ? ', becomes ' : ' '}
              <Code>{JSON.stringify(next)}</Code>
            </>
          )}
        </List.Item>
      ))}
    </List>
  );
}

export function Publish({ datasource, version }: Props) {
  const { id, revision, currentVersion } = datasource;
  return (
    <ActionButton
      label={`Publish version ${version.version}`}
      variant="filled"
      permission="datasource:publish"
      explains={
        currentVersion
          ? `Version ${version.version} takes over from version ${currentVersion.version} without losing a record; you can roll back. If it cannot start, version ${currentVersion.version} goes on.`
          : `Version ${version.version} goes live, and its worker starts.`
      }
      document={PublishMutation}
      variables={(comment) => ({
        input: { id, version: version.version, comment, expectedRevision: revision },
      })}
      asks="Comment (for the timeline)"
      done={`Version ${version.version} is published`}
    >
      {currentVersion && <Changes id={id} from={currentVersion.version} to={version.version} />}
    </ActionButton>
  );
}

export function Rollback({ datasource, version }: Props) {
  const { id, currentVersion, revision } = datasource;
  if (!currentVersion) return null;
  return (
    <ActionButton
      label={`Roll back to ${version.version}`}
      size="compact-xs"
      permission="datasource:publish"
      explains={`Version ${version.version} goes live again, with the secrets that it was published with. Version ${currentVersion.version} stays in the history.`}
      document={RollbackMutation}
      variables={(comment) => ({
        input: {
          id,
          targetVersion: version.version,
          comment,
          expectedRevision: revision,
          repinSecrets: false,
        },
      })}
      asks="Comment (for the timeline)"
      done={`Version ${version.version} is live again`}
    >
      <Changes id={id} from={currentVersion.version} to={version.version} />
    </ActionButton>
  );
}
