import { Group, PasswordInput, Stack, Text, TextInput } from '@mantine/core';
import type { WidgetProps } from '@rjsf/utils';
import { secretKey } from './schema';

/** Values that were typed and are not sent yet, by key, and the keys that the server has. */
export interface SecretContext {
  stored: string[];
  pending: Record<string, string>;
  setPending: (key: string, value: string) => void;
  mayWrite: boolean;
}

/** The `secrets` section of a document: alias -> stored key. */
export type Aliases = Record<string, unknown>;

interface Props extends WidgetProps {
  secrets: SecretContext;
  aliases: Aliases;
}

/** The configuration names the secret; the value goes another way, and never comes back. */
export function SecretField(props: Props) {
  const { id, label, onChange, schema, secrets, aliases, required, rawErrors } = props;
  const value: unknown = props.value;
  const { stored, pending, setPending, mayWrite } = secrets;
  const key = secretKey(value);
  const suggested =
    id
      .split('_')
      .at(-1)
      ?.replaceAll(/[^a-z0-9]/gi, '_')
      .toLowerCase() ?? 'secret';
  const keep = (alias: string) => (typeof aliases[alias] === 'string' ? aliases[alias] : alias);
  const current = keep(key ?? '');
  const isStored = key !== null && stored.includes(current);
  const write = (next: string) => {
    const name = key ?? suggested;
    if (key === null && next !== '') onChange(`{{secret.${name}}}`);
    setPending(keep(name), next);
  };
  return (
    <Stack gap={4}>
      <Group align="flex-start" gap="xs" grow preventGrowOverflow={false} wrap="wrap">
        <PasswordInput
          id={id}
          label={label}
          withAsterisk={required}
          description={schema.description}
          placeholder={isStored ? 'Stored; write to replace it' : 'Write-only'}
          autoComplete="new-password"
          disabled={!mayWrite}
          value={pending[current] ?? ''}
          error={rawErrors?.length ? rawErrors.join('; ') : undefined}
          onChange={(event) => write(event.currentTarget.value)}
          visibilityToggleButtonProps={{ 'aria-label': `Show ${label}` }}
        />
        <TextInput
          label="Kept as"
          description="The name of the secret in the configuration."
          placeholder={suggested}
          value={key ?? ''}
          onChange={(event) => {
            const next = event.currentTarget.value.trim();
            if (pending[current]) {
              setPending(keep(next), pending[current]);
              setPending(current, '');
            }
            onChange(next ? `{{secret.${next}}}` : undefined);
          }}
        />
      </Group>
      {!mayWrite && key !== null && !isStored && (
        <Text size="xs" c="dimmed">
          Only an administrator can give it a value; until then it cannot be published.
        </Text>
      )}
    </Stack>
  );
}
