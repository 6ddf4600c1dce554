import { Button, Group, List, Text } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { request } from '../../api/client';
import { graphql } from '../../api/generated';
import { useCan } from '../../api/viewer';
import { ErrorView } from '../../components/ErrorView';
import { words } from '../../components/format';
import { Section } from '../../components/Section';
import { Dot } from '../../components/Status';

const CheckMutation = graphql(`
  mutation Check($input: CheckDatasourceInput!) {
    checkDatasource(input: $input) {
      success
      version
      steps {
        name
        success
        message
        durationMs
      }
    }
  }
`);

/** Whether the source can be reached with what is saved; nothing is taken from it. */
export function CheckSource({ id, version }: { id: string; version: number }) {
  const can = useCan();
  const check = useMutation({
    mutationFn: async () => (await request(CheckMutation, { input: { id, version } })).checkDatasource,
  });
  if (!can('datasource:test')) return null;
  return (
    <Section
      title="Can it be reached?"
      intro={`Tries the source with the settings and secrets of version ${version}. Nothing is taken from it.`}
      actions={
        <Button size="xs" variant="default" loading={check.isPending} onClick={() => check.mutate()}>
          Check the source
        </Button>
      }
    >
      {check.error && <ErrorView error={check.error} />}
      {check.data && (
        <List size="sm" listStyleType="none" spacing={6} role="status">
          {check.data.steps.map(({ name, success, message, durationMs }) => (
            <List.Item key={name}>
              <Group gap="sm" align="flex-start">
                <Dot tone={success ? 'good' : 'bad'} label={words(name)} />
                <Text size="sm" className="wrap-anywhere" style={{ flex: 1 }}>
                  {message}{' '}
                  <Text span size="xs" c="dimmed">
                    {durationMs} ms
                  </Text>
                </Text>
              </Group>
            </List.Item>
          ))}
        </List>
      )}
    </Section>
  );
}
