import { Button, Group, PasswordInput, Stack, Table, Text, TextInput } from '@mantine/core';
import { IconKey } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { request } from '../../api/client';
import { graphql } from '../../api/generated';
import { useCan } from '../../api/viewer';
import { ActionButton } from '../../components/ActionButton';
import { EmptyState } from '../../components/EmptyState';
import { ErrorView } from '../../components/ErrorView';
import { Section } from '../../components/Section';
import { Ago } from '../../components/time';
import { secretKeys } from '../config/schema';
import { SetSecretMutation } from '../config/useSecrets';
import type { TabProps } from './Datasource';
import { SecretFields } from './SecretFields';

const DeleteMutation = graphql(`
  mutation DeleteSecret($input: DeleteDatasourceSecretInput!) {
    deleteDatasourceSecret(input: $input) {
      secret {
        key
      }
    }
  }
`);
const RepinMutation = graphql(`
  mutation Repin($input: DatasourceActionInput!) {
    repinDatasourceSecrets(input: $input) {
      datasource {
        id
      }
    }
  }
`);

export default function Secrets({ datasource }: TabProps) {
  const { id, secrets, currentVersion, latestVersion } = datasource;
  const can = useCan();
  const stored = secrets.map(({ key }) => key);
  const missing = secretKeys((latestVersion ?? currentVersion)?.config).filter(
    (key) => !stored.includes(key),
  );
  const pinned = new Map(currentVersion?.secretPins.map(({ key, version }) => [key, version]));
  const outdated = secrets.some(({ key, version }) => pinned.has(key) && pinned.get(key) !== version);
  return (
    <Stack gap="md">
      {missing.length > 0 && <SecretFields id={id} keys={missing} />}
      <Section
        title="Secrets"
        intro="Values go in and never come out. A published version runs with the values that it was published with."
        actions={
          outdated && (
            <ActionButton
              label="Run with the newest values"
              permission="secret:manage"
              explains="Lets the published version run with the newest value of each of its secrets, at once."
              document={RepinMutation}
              variables={(reason) => ({ input: { id, reason } })}
              asks="Why? (for the audit log)"
              done="The worker takes the newest values"
            />
          )
        }
      >
        {secrets.length === 0 ? (
          <EmptyState icon={<IconKey size={24} />} title="No secrets">
            Where a configuration needs a credential it names a secret, and the value is kept here, sealed.
          </EmptyState>
        ) : (
          <Table.ScrollContainer minWidth={560}>
            <Table>
              <Table.Thead>
                <Table.Tr>
                  {['Key', 'Version', 'In use', 'Last value', ''].map((head) => (
                    <Table.Th key={head}>{head}</Table.Th>
                  ))}
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {secrets.map(({ key, version, rotatedAt, rotatedBy, createdAt, createdBy }) => (
                  <Table.Tr key={key}>
                    <Table.Td className="mono">{key}</Table.Td>
                    <Table.Td>{version}</Table.Td>
                    <Table.Td>{pinned.has(key) ? `version ${pinned.get(key)}` : 'no'}</Table.Td>
                    <Table.Td>
                      <Ago at={rotatedAt ?? createdAt} size="sm" /> by {rotatedBy ?? createdBy}
                    </Table.Td>
                    <Table.Td>
                      <ActionButton
                        label="Delete"
                        size="compact-xs"
                        danger
                        permission="secret:manage"
                        explains={`Forgets every value of ${key}. It is refused while the published version runs with it.`}
                        document={DeleteMutation}
                        variables={(reason) => ({ input: { id, key, reason, force: false } })}
                        asks="Why? (for the audit log)"
                        done={`${key} is forgotten`}
                      />
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        )}
      </Section>
      {can('secret:manage') && <SetOne id={id} />}
    </Stack>
  );
}

function SetOne({ id }: { id: string }) {
  const [key, setKey] = useState('');
  const [value, setValue] = useState('');
  const save = useMutation({
    mutationFn: () => request(SetSecretMutation, { input: { id, key: key.trim(), value } }),
    onSuccess: () => {
      setKey('');
      setValue('');
    },
  });
  return (
    <Section title="Set a secret" intro="A new key, or a new value for one that is there.">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate();
        }}
      >
        <Group align="flex-end" gap="sm">
          <TextInput
            label="Key"
            required
            value={key}
            onChange={(event) => setKey(event.currentTarget.value)}
          />
          <PasswordInput
            label="Value"
            required
            autoComplete="new-password"
            w={260}
            value={value}
            onChange={(event) => setValue(event.currentTarget.value)}
            visibilityToggleButtonProps={{ 'aria-label': 'Show the value' }}
          />
          <Button type="submit" variant="default" loading={save.isPending} disabled={!key.trim() || !value}>
            Store
          </Button>
        </Group>
        {save.data && (
          <Text size="sm" mt="xs" role="status">
            Stored as version {save.data.setDatasourceSecret.secret.version}.
            {save.data.setDatasourceSecret.repinRequired &&
              ' The published version keeps the value that it was published with, until you let it run with the newest.'}
          </Text>
        )}
        {save.error && <ErrorView error={save.error} />}
      </form>
    </Section>
  );
}
