import { Button, Group, Loader, Stack, TagsInput, Text, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { ApiError, request } from '../../api/client';
import { graphql } from '../../api/generated';
import { ErrorView } from '../../components/ErrorView';
import { Section } from '../../components/Section';
import { suggest, mappingOf } from '../config/mapping';
import { SourceForm, type Config } from '../config/SourceForm';
import { useProblems } from '../config/usePreview';
import { useSecrets } from '../config/useSecrets';
import { useConnectorTypes } from '../connectors/queries';
import { BackButton } from './Create';

const CreateMutation = graphql(`
  mutation Create($input: CreateDatasourceInput!) {
    createDatasource(input: $input) {
      datasource {
        id
      }
    }
  }
`);

interface Props {
  type: string;
  onBack: () => void;
  onCreated: (id: string) => void;
}

const START: Record<string, Config> = { webhook: { auth: { type: 'none' } } };

export function SourceStep({ type, onBack, onCreated }: Props) {
  const connector = useConnectorTypes().data?.find(({ name }) => name === type);
  const [name, setName] = useState('');
  const [description, setDescription] = useState('');
  const [tags, setTags] = useState<string[]>([]);
  const [config, setConfig] = useState<Config>({ connector: { type, ...START[type] } });
  const [tried, setTried] = useState(false);
  const secrets = useSecrets([]);
  const { problems, settled } = useProblems(type, config);
  const create = useMutation({
    mutationFn: async () => {
      const mapping = mappingOf(suggest(connector?.sample));
      const input = {
        name: name.trim(),
        type,
        description: description.trim() || null,
        tags,
        config: { ...config, mapping },
      };
      const { id } = (await request(CreateMutation, { input })).createDatasource.datasource;
      // The datasource is there now: where a secret is refused, its page says what is missing.
      await secrets.send(id).catch(() => undefined);
      return id;
    },
    onSuccess: onCreated,
  });
  if (!connector) return <Loader aria-label="Loading" />;
  const shown = tried ? problems : [];
  const taken =
    create.error instanceof ApiError && create.error.code === 'CONFLICT' ? create.error.message : null;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        setTried(true);
        if (problems.length === 0) create.mutate();
      }}
    >
      <Stack gap="md" maw={760}>
        <Section title="Basics" intro="How people find it.">
          <Stack gap="sm">
            <TextInput
              label="Name"
              required
              placeholder="orders"
              data-autofocus
              autoFocus
              value={name}
              error={taken}
              onChange={(event) => {
                setName(event.currentTarget.value);
                create.reset();
              }}
            />
            <TextInput
              label="Description"
              placeholder="Orders of the shop, as they are paid"
              value={description}
              onChange={(event) => setDescription(event.currentTarget.value)}
            />
            <TagsInput
              label="Tags"
              placeholder={tags.length ? '' : 'Type and press Enter'}
              value={tags}
              onChange={setTags}
            />
          </Stack>
        </Section>
        <Section title={connector.title} intro={connector.description}>
          <SourceForm type={type} config={config} onChange={setConfig} problems={shown} secrets={secrets} />
        </Section>
        {shown.length > 0 && (
          <ErrorView error={new ApiError('CONFIG_INVALID', 'The configuration is not complete yet', shown)} />
        )}
        {create.error && taken === null && <ErrorView error={create.error} />}
        <Group justify="space-between">
          <BackButton onClick={onBack} />
          <Group>
            <Text size="sm" c="dimmed" visibleFrom="sm">
              Nothing runs before you publish.
            </Text>
            <Button type="submit" loading={create.isPending} disabled={name.trim() === '' || !settled}>
              Create the draft
            </Button>
          </Group>
        </Group>
      </Stack>
    </form>
  );
}
