import { Accordion, Button, Code, Group, Loader, SimpleGrid, Stack, Table, Text, Title } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useCan } from '../../api/viewer';
import { ErrorView } from '../../components/ErrorView';
import { pretty } from '../../components/format';
import { Page } from '../../components/Page';
import { ConnectorIcon } from './ConnectorIcon';
import { useConnectorTypes, useSinkTypes } from './queries';

interface Kind {
  name: string;
  title: string;
  description: string;
  configSchema: unknown;
  sample?: unknown;
}

/** What this server can read from and deliver to. */
export function Connectors() {
  const connectors = useConnectorTypes();
  const sinks = useSinkTypes();
  const can = useCan();
  if (connectors.error) return <ErrorView error={connectors.error} retry={() => void connectors.refetch()} />;
  if (!connectors.data) return <Loader aria-label="Loading" />;
  return (
    <Page title="Connectors" intro="What this server can read from, and deliver to.">
      <Title order={2}>Sources</Title>
      <Kinds kinds={connectors.data} create={can('datasource:edit')} />
      <Title order={2}>Sinks</Title>
      <Kinds kinds={sinks.data ?? []} create={false} />
    </Page>
  );
}

function Kinds({ kinds, create }: { kinds: Kind[]; create: boolean }) {
  return (
    <Accordion variant="separated" multiple>
      {kinds.map((kind) => (
        <Accordion.Item key={kind.name} value={kind.name} className="panel">
          <Accordion.Control icon={<ConnectorIcon name={kind.name} size={22} />}>
            <Text fw={600}>
              {kind.title}{' '}
              <Text span size="sm" c="dimmed" className="mono">
                {kind.name}
              </Text>
            </Text>
            <Text size="sm" c="dimmed">
              {kind.description}
            </Text>
          </Accordion.Control>
          <Accordion.Panel>
            <Details kind={kind} create={create} />
          </Accordion.Panel>
        </Accordion.Item>
      ))}
    </Accordion>
  );
}

interface Property {
  title?: string;
  description?: string;
  type?: string | string[];
  default?: unknown;
  oneOf?: { title?: string; const?: string }[];
}

function Details({ kind, create }: { kind: Kind; create: boolean }) {
  const schema = kind.configSchema as { properties?: Record<string, Property>; required?: string[] };
  const type = ({ oneOf, type: name }: Property) =>
    oneOf
      ? oneOf.map(({ title, const: value }) => value ?? title).join(' · ')
      : [name ?? 'any'].flat().join(' or ');
  return (
    <Stack gap="sm">
      <Table.ScrollContainer minWidth={560}>
        <Table>
          <Table.Thead>
            <Table.Tr>
              {['Setting', 'Takes', 'Default', 'Meaning'].map((head) => (
                <Table.Th key={head}>{head}</Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {Object.entries(schema.properties ?? {}).map(([name, property]) => (
              <Table.Tr key={name}>
                <Table.Td className="mono">{name}</Table.Td>
                <Table.Td>{type(property)}</Table.Td>
                <Table.Td>
                  {schema.required?.includes(name) ? (
                    'required'
                  ) : property.default == null ? (
                    '–'
                  ) : (
                    <Code>{JSON.stringify(property.default)}</Code>
                  )}
                </Table.Td>
                <Table.Td>{property.description}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {kind.sample !== undefined && (
        <SimpleGrid cols={1}>
          <Text size="sm" fw={500}>
            A payload as it comes
          </Text>
          <Code block mah={260} style={{ overflow: 'auto' }} tabIndex={0}>
            {pretty(kind.sample)}
          </Code>
        </SimpleGrid>
      )}
      {create && (
        <Group>
          <Button
            variant="default"
            renderRoot={(props) => <Link to="/new" search={{ type: kind.name }} {...props} />}
          >
            New {kind.title} datasource
          </Button>
        </Group>
      )}
    </Stack>
  );
}
