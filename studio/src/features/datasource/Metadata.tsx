import { Button, Group, SimpleGrid, Stack, Table, TagsInput, Text, Textarea, TextInput } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { ApiError, request } from '../../api/client';
import { graphql } from '../../api/generated';
import { useCan } from '../../api/viewer';
import { ErrorView } from '../../components/ErrorView';
import { Facts } from '../../components/Facts';
import { Section } from '../../components/Section';
import { Ago } from '../../components/time';
import type { TabProps } from './Datasource';
import { detailKey, type Detail } from './queries';

const UpdateMutation = graphql(`
  mutation Update($input: UpdateDatasourceInput!) {
    updateDatasource(input: $input) {
      datasource {
        ...DetailFields
      }
    }
  }
`);
const HistoryQuery = graphql(`
  query MetadataHistory($id: ID!) {
    datasourceMetadataAudit(id: $id, first: 30) {
      nodes {
        id
        actor
        createdAt
        field
        oldValue
        newValue
        reason
      }
    }
  }
`);

export default function Metadata({ datasource }: TabProps) {
  const can = useCan();
  return (
    <Stack gap="md">
      {can('datasource:edit') && datasource.archivedAt === null ? (
        <Editor datasource={datasource} />
      ) : (
        <Section title="Metadata">
          <Facts
            facts={[
              ['Name', datasource.name],
              ['Description', datasource.description || 'none'],
              ['Owner', datasource.owner],
              ['Team', datasource.team],
              ['Category', datasource.category],
              ['Tags', datasource.tags.join(', ') || 'none'],
            ]}
          />
        </Section>
      )}
      {can('audit:read') && <History id={datasource.id} />}
    </Stack>
  );
}

interface Draft {
  name: string;
  description: string;
  owner: string;
  team: string;
  category: string;
  tags: string[];
}

const draftOf = ({ name, description, owner, team, category, tags }: Detail): Draft => ({
  name,
  description,
  owner,
  team: team ?? '',
  category: category ?? '',
  tags,
});

function Editor({ datasource }: TabProps) {
  const { id, revision, currentVersion } = datasource;
  const [base, setBase] = useState({ revision, draft: draftOf(datasource) });
  const [draft, setDraft] = useState(base.draft);
  const [reason, setReason] = useState('');
  const queries = useQueryClient();
  const can = useCan();
  const changed = (Object.keys(draft) as (keyof Draft)[]).filter(
    (key) => JSON.stringify(draft[key]) !== JSON.stringify(base.draft[key]),
  );
  if (changed.length === 0 && revision !== base.revision) {
    const next = { revision, draft: draftOf(datasource) };
    setBase(next);
    setDraft(next.draft);
  }
  // Once it was live, who answers for it is governance.
  const governed = currentVersion !== null && !can('metadata:manage');
  const save = useMutation({
    mutationFn: async (expectedRevision: number) => {
      const values = Object.fromEntries(
        changed.map((key) => [key, draft[key] === '' && key !== 'description' ? null : draft[key]]),
      );
      const input = { id, expectedRevision, reason: reason.trim() || null, ...values };
      return (await request(UpdateMutation, { input })).updateDatasource.datasource;
    },
    onSuccess: (saved) => {
      queries.setQueryData<Detail>(detailKey(id), saved);
      setBase({ revision: saved.revision, draft: draftOf(saved) });
      setDraft(draftOf(saved));
      setReason('');
      notifications.show({ message: 'Saved', withBorder: true });
    },
  });
  const set = (key: keyof Draft) => (event: { currentTarget: { value: string } }) =>
    setDraft({ ...draft, [key]: event.currentTarget.value });
  const conflict = save.error instanceof ApiError && save.error.code === 'CONFLICT';
  return (
    <Section title="Metadata" intro="Who answers for it, and how it is found.">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate(base.revision);
        }}
      >
        <Stack gap="sm">
          <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm">
            <TextInput label="Name" required value={draft.name} onChange={set('name')} />
            <TextInput label="Owner" disabled={governed} value={draft.owner} onChange={set('owner')} />
            <TextInput label="Team" disabled={governed} value={draft.team} onChange={set('team')} />
            <TextInput
              label="Category"
              disabled={governed}
              value={draft.category}
              onChange={set('category')}
            />
          </SimpleGrid>
          <TagsInput
            label="Tags"
            disabled={governed}
            value={draft.tags}
            onChange={(tags) => setDraft({ ...draft, tags })}
          />
          <Textarea
            label="Description"
            autosize
            minRows={2}
            value={draft.description}
            onChange={set('description')}
          />
          {governed && (
            <Text size="sm" c="dimmed">
              It was published, so owner, team, category and tags need the role administrator.
            </Text>
          )}
          {changed.length > 0 && (
            <TextInput
              label="Why? (for the audit log)"
              value={reason}
              onChange={(e) => setReason(e.currentTarget.value)}
            />
          )}
          {save.error && <ErrorView error={save.error} />}
          <Group>
            <Button type="submit" loading={save.isPending} disabled={changed.length === 0 || conflict}>
              Save
            </Button>
            {conflict && (
              <Button variant="default" onClick={() => save.mutate(revision)}>
                Save my changes on top
              </Button>
            )}
            {changed.length > 0 && (
              <Button
                variant="default"
                onClick={() => {
                  setDraft(base.draft);
                  save.reset();
                }}
              >
                Discard changes
              </Button>
            )}
          </Group>
        </Stack>
      </form>
    </Section>
  );
}

function History({ id }: { id: string }) {
  const history = useQuery({
    queryKey: ['metadata-history', id],
    queryFn: async () => (await request(HistoryQuery, { id })).datasourceMetadataAudit.nodes,
  });
  const show = (value: unknown) =>
    value === null || value === undefined ? '–' : typeof value === 'string' ? value : JSON.stringify(value);
  return (
    <Section title="History" intro="One line a changed field.">
      {history.error && <ErrorView error={history.error} />}
      {history.data?.length === 0 && (
        <Text size="sm" c="dimmed">
          Nothing was changed yet.
        </Text>
      )}
      {(history.data?.length ?? 0) > 0 && (
        <Table.ScrollContainer minWidth={600}>
          <Table>
            <Table.Thead>
              <Table.Tr>
                {['When', 'Who', 'Field', 'Before', 'After', 'Why'].map((head) => (
                  <Table.Th key={head}>{head}</Table.Th>
                ))}
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {history.data?.map(({ id: key, createdAt, actor, field, oldValue, newValue, reason }) => (
                <Table.Tr key={key}>
                  <Table.Td>
                    <Ago at={createdAt} size="sm" />
                  </Table.Td>
                  <Table.Td>{actor}</Table.Td>
                  <Table.Td>{field}</Table.Td>
                  <Table.Td className="wrap-anywhere">{show(oldValue)}</Table.Td>
                  <Table.Td className="wrap-anywhere">{show(newValue)}</Table.Td>
                  <Table.Td>{reason}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
    </Section>
  );
}
