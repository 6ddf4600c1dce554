import { Anchor, Code, Group, SimpleGrid, Stack, Text } from '@mantine/core';
import { CopyIcon } from '../../components/copy';
import { Page } from '../../components/Page';
import { Section } from '../../components/Section';

const PAGES = [
  {
    href: '/graphql',
    title: 'GraphiQL',
    text: 'Explore the GraphQL API: its schema, completion, queries, mutations and subscriptions.',
  },
  {
    href: '/api/docs',
    title: 'REST API',
    text: 'Every operation, with its parameters and answers, to try out.',
  },
  { href: '/api/openapi.json', title: 'OpenAPI document', text: 'OpenAPI 3.1, to make a client from.' },
  { href: '/health/ready', title: 'Health', text: 'Whether this server is ready, and what it waits for.' },
  { href: '/metrics', title: 'Metrics', text: 'For Prometheus, in its text format.' },
];

/** Everything that the console does is done over these. */
export function Developers() {
  const { origin } = location;
  const examples: [string, string][] = [
    [
      'List what fails, over GraphQL',
      `curl -s ${origin}/graphql \\\n  -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\\n  -d '{"query": "{ datasources(filter: { status: [ERROR] }) { nodes { name state { errorMessage } } } }"}'`,
    ],
    [
      'The same over REST',
      `curl -s '${origin}/api/v1/datasources?status=error' -H "Authorization: Bearer $TOKEN"`,
    ],
    [
      'Follow events as they happen',
      `curl -sN ${origin}/graphql \\\n  -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -H 'Accept: text/event-stream' \\\n  -d '{"query": "subscription { datasourceEvents { eventType datasourceId actor } }"}'`,
    ],
  ];
  return (
    <Page
      title="Developers"
      intro="The console is a client of the public API: what it does, a program can do. Every action offers its request as a curl command."
    >
      <SimpleGrid cols={{ base: 1, sm: 2, lg: 3 }} spacing="md">
        {PAGES.map(({ href, title, text }) => (
          <div key={href} className="panel" style={{ padding: 16 }}>
            <Anchor href={href} target="_blank" rel="noreferrer" fw={600}>
              {title}
            </Anchor>
            <Text size="sm" c="dimmed">
              {text}
            </Text>
          </div>
        ))}
      </SimpleGrid>
      <Section title="From a terminal" intro="With a token: datasource-studio token --role viewer">
        <Stack gap="sm">
          {examples.map(([title, command]) => (
            <div key={title}>
              <Group justify="space-between">
                <Text size="sm">{title}</Text>
                <CopyIcon value={command} label={`Copy: ${title}`} />
              </Group>
              <Code block style={{ whiteSpace: 'pre-wrap' }} className="wrap-anywhere">
                {command}
              </Code>
            </div>
          ))}
        </Stack>
      </Section>
    </Page>
  );
}
