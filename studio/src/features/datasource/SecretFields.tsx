import { Button, Group, PasswordInput, Stack, Text } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { request } from '../../api/client';
import { useCan } from '../../api/viewer';
import { ErrorView } from '../../components/ErrorView';
import { Section } from '../../components/Section';
import { SetSecretMutation } from '../config/useSecrets';

/** The secrets that a configuration names and that have no value yet. */
export function SecretFields({ id, keys }: { id: string; keys: string[] }) {
  const can = useCan();
  const [values, setValues] = useState<Record<string, string>>({});
  const save = useMutation({
    mutationFn: async () => {
      for (const key of keys) {
        const value = values[key];
        if (value) await request(SetSecretMutation, { input: { id, key, value } });
      }
    },
    onSuccess: () => setValues({}),
  });
  return (
    <Section title="Secrets that are missing" intro="It can be published when each has a value.">
      {can('secret:manage') ? (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            save.mutate();
          }}
        >
          <Stack gap="sm" maw={420}>
            {keys.map((key) => (
              <PasswordInput
                key={key}
                label={key}
                description="Write-only: nobody can read it back."
                autoComplete="new-password"
                value={values[key] ?? ''}
                onChange={(event) => setValues({ ...values, [key]: event.currentTarget.value })}
                visibilityToggleButtonProps={{ 'aria-label': `Show ${key}` }}
              />
            ))}
            {save.error && <ErrorView error={save.error} />}
            <Group>
              <Button type="submit" loading={save.isPending} disabled={!keys.some((key) => values[key])}>
                Store
              </Button>
            </Group>
          </Stack>
        </form>
      ) : (
        <Text size="sm">Ask an administrator to set: {keys.join(', ')}.</Text>
      )}
    </Section>
  );
}
