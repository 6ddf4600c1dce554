import { useState } from 'react';
import { request } from '../../api/client';
import { graphql } from '../../api/generated';
import { useCan } from '../../api/viewer';
import type { SecretContext } from './SecretField';

export const SetSecretMutation = graphql(`
  mutation SetSecret($input: SetDatasourceSecretInput!) {
    setDatasourceSecret(input: $input) {
      repinRequired
      secret {
        key
        version
      }
    }
  }
`);

/** Typed secret values, held until the datasource is there that they belong to. */
export function useSecrets(stored: string[]): SecretContext & { send: (id: string) => Promise<void> } {
  const [pending, setAll] = useState<Record<string, string>>({});
  const can = useCan();
  return {
    stored,
    pending,
    mayWrite: can('secret:manage'),
    setPending: (key, value) => setAll((before) => ({ ...before, [key]: value })),
    send: async (id) => {
      for (const [key, value] of Object.entries(pending)) {
        if (key && value) await request(SetSecretMutation, { input: { id, key, value } });
      }
      setAll({});
    },
  };
}
