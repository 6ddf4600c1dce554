import { Button, Group, Popover, TextInput } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { request } from '../../api/client';
import { graphql } from '../../api/generated';
import { ErrorView } from '../../components/ErrorView';
import { parseJson } from '../../components/format';
import { TestMutation } from './usePreview';

const SamplesQuery = graphql(`
  query Samples($id: ID!) {
    datasourceSamples(id: $id) {
      name
      payload
      createdAt
    }
  }
`);

export function useSamples(id: string) {
  return useQuery({
    queryKey: ['samples', id],
    queryFn: async () => (await request(SamplesQuery, { id })).datasourceSamples,
  });
}

interface Props {
  id: string;
  config: unknown;
  text: string;
}

/** Keeps what was pasted, for the next time and for others. */
export function KeepSample({ id, config, text }: Props) {
  const [open, setOpen] = useState(false);
  const [name, setName] = useState('');
  const keep = useMutation({
    mutationFn: async () => {
      const parsed = parseJson(text);
      const payload = 'value' in parsed ? parsed.value : text;
      await request(TestMutation, {
        input: { id, configOverride: config, payload, saveSampleAs: name.trim(), fetch: false },
      });
    },
    onSuccess: () => {
      notifications.show({ message: `Kept as ${name.trim()}`, withBorder: true });
      setOpen(false);
      setName('');
    },
  });
  return (
    <Popover opened={open} onChange={setOpen} trapFocus withinPortal position="bottom-end">
      <Popover.Target>
        <Button size="xs" variant="default" disabled={text.trim() === ''} onClick={() => setOpen(!open)}>
          Keep…
        </Button>
      </Popover.Target>
      <Popover.Dropdown>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            keep.mutate();
          }}
        >
          <Group align="flex-end" gap="xs">
            <TextInput
              size="xs"
              label="Keep this sample as"
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
            />
            <Button size="xs" type="submit" loading={keep.isPending} disabled={name.trim() === ''}>
              Keep
            </Button>
          </Group>
          {keep.error && <ErrorView error={keep.error} />}
        </form>
      </Popover.Dropdown>
    </Popover>
  );
}
