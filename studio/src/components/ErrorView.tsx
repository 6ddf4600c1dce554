import { Alert, Button, Code, Group, List, Text } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { ApiError } from '../api/client';

const REMEDY: Record<string, string> = {
  UNAUTHENTICATED: 'Your token is missing, wrong or expired: sign in again.',
  FORBIDDEN: 'Ask an administrator for the role, or for access to the project.',
  NOT_FOUND: 'Check the address; it may have been archived, or belong to another organisation.',
  CONFLICT: 'Somebody changed it meanwhile. Load it again and look at what is different.',
  VALIDATION_FAILED: 'Correct the fields below and try again.',
  CONFIG_INVALID: 'Correct the configuration at the places below.',
  SECRET_MISSING: 'Set the secret under Secrets, then try again.',
  RATE_LIMITED: 'Wait a moment, then try again.',
  QUERY_TOO_COMPLEX: 'Narrow the filters and try again.',
  UNAVAILABLE: 'Try again; if it stays, look at the health page of the server.',
  INTERNAL: 'This is a defect. Report it with the request id; the server log has the details.',
};

function describe(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  return new ApiError('CONSOLE', error instanceof Error ? error.message : String(error));
}

interface Props {
  error: unknown;
  retry?: () => void;
}

/** What went wrong, where, and what to do about it. */
export function ErrorView({ error, retry }: Props) {
  const { code, message, problems, requestId } = describe(error);
  return (
    <Alert
      role="alert"
      variant="default"
      icon={<IconAlertTriangle color="var(--studio-bad)" />}
      title={<span className="wrap-anywhere">{message}</span>}
      styles={{ title: { fontWeight: 600 } }}
    >
      {problems.length > 0 && (
        <List size="sm" mb="xs">
          {problems.map(({ pointer, message: text }) => (
            <List.Item key={pointer + text}>
              <Code>{pointer || '/'}</Code> <span className="wrap-anywhere">{text}</span>
            </List.Item>
          ))}
        </List>
      )}
      <Text size="sm">{REMEDY[code] ?? 'Load the page again; if it stays, report what you did.'}</Text>
      <Group gap="xs" mt="xs">
        {retry && (
          <Button size="compact-sm" variant="default" onClick={retry}>
            Try again
          </Button>
        )}
        <Text size="xs" c="dimmed">
          {code}
          {requestId && <> · request {requestId}</>}
        </Text>
      </Group>
    </Alert>
  );
}
