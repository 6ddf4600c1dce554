import { ActionIcon, Button, CopyButton, Tooltip } from '@mantine/core';
import { IconCheck, IconCopy, IconTerminal2 } from '@tabler/icons-react';
import type { TypedDocumentString } from '../api/generated/graphql';

export function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The request of an action, to run it from a terminal. The token stays out of it. */
export function curlOf(
  document: TypedDocumentString<unknown, never> | { toString(): string },
  variables: unknown,
) {
  const query = document.toString().replace(/\s+/g, ' ').trim();
  return [
    `curl -s ${location.origin}/graphql`,
    `-H "Authorization: Bearer $TOKEN"`,
    `-H 'Content-Type: application/json'`,
    `-d ${shellQuote(JSON.stringify({ query, variables }))}`,
  ].join(' \\\n  ');
}

export function CopyIcon({ value, label, curl }: { value: string; label: string; curl?: boolean }) {
  const Icon = curl ? IconTerminal2 : IconCopy;
  return (
    <CopyButton value={value}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? 'Copied' : label}>
          <ActionIcon variant="subtle" color="gray" onClick={copy} aria-label={label}>
            {copied ? <IconCheck size={16} /> : <Icon size={16} />}
          </ActionIcon>
        </Tooltip>
      )}
    </CopyButton>
  );
}

export function CopyCurl({ value }: { value: string }) {
  return (
    <CopyButton value={value}>
      {({ copied, copy }) => (
        <Button
          variant="subtle"
          size="compact-sm"
          color="gray"
          c="dimmed"
          leftSection={copied ? <IconCheck size={14} /> : <IconTerminal2 size={14} />}
          onClick={copy}
        >
          {copied ? 'Copied' : 'Copy as curl'}
        </Button>
      )}
    </CopyButton>
  );
}
