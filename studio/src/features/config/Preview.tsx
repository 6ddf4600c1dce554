import { Alert, Badge, Code, Group, List, Loader, Stack, Text } from '@mantine/core';
import { pretty } from '../../components/format';
import { ErrorView } from '../../components/ErrorView';
import { Dot } from '../../components/Status';
import type { usePreview } from './usePreview';

const SHOWN = 5;

/** The records as the sink would get them, beside what made them. */
export function Preview({ run: query }: { run: ReturnType<typeof usePreview> }) {
  if (query.error) return <ErrorView error={query.error} />;
  const run = query.data;
  if (!run) {
    return (
      <Text size="sm" c="dimmed">
        Give a sample payload, and the records that it makes show here.
      </Text>
    );
  }
  return (
    <Stack gap="xs" aria-live="polite" aria-label="Preview" role="region">
      <Group gap="sm">
        <Dot
          tone={run.success ? 'good' : 'bad'}
          label={`${run.outputs.length} ${run.outputs.length === 1 ? 'record' : 'records'}`}
        />
        {run.errors.length > 0 && <Dot tone="bad" label={`${run.errors.length} failed`} />}
        {query.isFetching && <Loader size="xs" aria-label="Trying" />}
      </Group>
      {run.errors.length > 0 && (
        <List size="sm" spacing={2}>
          {run.errors.slice(0, SHOWN).map((error) => (
            <List.Item key={`${error.path}${error.record}`}>
              {error.record !== null && <>record {error.record}: </>}
              {error.message} <Code>{error.path || '/'}</Code>
            </List.Item>
          ))}
        </List>
      )}
      {run.warnings.length > 0 && (
        <Alert variant="default" p="xs" title="Probably not meant so">
          <List size="sm">
            {run.warnings.map((warning) => (
              <List.Item key={warning}>{warning}</List.Item>
            ))}
          </List>
        </Alert>
      )}
      {run.outputs.slice(0, SHOWN).map((output, index) => (
        <div key={`${index}-${output.id}`}>
          <Group gap={6} mb={2}>
            <Badge variant="default" tt="none" radius="sm">
              {output.kind}
            </Badge>
            <Text size="xs" c="dimmed" className="mono wrap-anywhere">
              {output.id}
            </Text>
          </Group>
          <Code block fz={12.5} mah={260} style={{ overflow: 'auto' }} tabIndex={0}>
            {pretty(output.data)}
          </Code>
        </div>
      ))}
      {run.outputs.length > SHOWN && (
        <Text size="xs" c="dimmed">
          and {run.outputs.length - SHOWN} more
        </Text>
      )}
    </Stack>
  );
}
