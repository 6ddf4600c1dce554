import { Button, Checkbox, Code, Group, Loader, Modal, Table, Text } from '@mantine/core';
import { IconMoodSmile } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { request } from '../../api/client';
import { graphql } from '../../api/generated';
import type { DeadLettersQuery as Page } from '../../api/generated/graphql';
import { ActionButton } from '../../components/ActionButton';
import { EmptyState } from '../../components/EmptyState';
import { ErrorView } from '../../components/ErrorView';
import { Section } from '../../components/Section';
import { Ago } from '../../components/time';
import type { TabProps } from './Datasource';
import { LetterEditor } from './LetterEditor';

const DeadLettersQuery = graphql(`
  query DeadLetters($id: ID!, $after: String) {
    deadLetters(id: $id, first: 50, after: $after) {
      totalCount
      nodes {
        id
        errorCode
        errorMessage
        errorPath
        payload
        scope
        version
        attempts
        complete
        createdAt
        editedAt
        editedBy
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);
const ReplayMutation = graphql(`
  mutation Replay($input: ReplayDeadLettersInput!) {
    replayDeadLetters(input: $input) {
      job {
        id
      }
    }
  }
`);
const DiscardMutation = graphql(`
  mutation Discard($input: DiscardDeadLettersInput!) {
    discardDeadLetters(input: $input) {
      discarded
    }
  }
`);

export type Letter = Page['deadLetters']['nodes'][number];

export default function DeadLetters({ datasource: { id } }: TabProps) {
  const [selected, setSelected] = useState<string[]>([]);
  const [open, setOpen] = useState<Letter | null>(null);
  const list = useInfiniteQuery({
    queryKey: ['dead-letters', id],
    queryFn: ({ pageParam }) => request(DeadLettersQuery, { id, after: pageParam }),
    initialPageParam: null as string | null,
    getNextPageParam: ({ deadLetters: { pageInfo } }) =>
      pageInfo.hasNextPage ? pageInfo.endCursor : undefined,
    refetchInterval: 10_000,
  });
  const letters = list.data?.pages.flatMap((page) => page.deadLetters.nodes) ?? [];
  const total = list.data?.pages[0]?.deadLetters.totalCount ?? 0;
  const chosen = selected.filter((each) => letters.some((letter) => letter.id === each));
  const which = chosen.length > 0 ? `the ${chosen.length} selected` : `all ${total}`;
  const filter = chosen.length > 0 ? { ids: chosen } : undefined;
  const toggle = (letter: string) =>
    setSelected(chosen.includes(letter) ? chosen.filter((each) => each !== letter) : [...chosen, letter]);
  if (list.error) return <ErrorView error={list.error} retry={() => void list.refetch()} />;
  if (list.isPending) return <Loader aria-label="Loading" />;
  return (
    <Section
      title="Dead letters"
      intro="Records that failed, kept for a second try."
      actions={
        letters.length > 0 && (
          <>
            <ActionButton
              label={chosen.length > 0 ? `Replay ${chosen.length}` : 'Replay all'}
              size="xs"
              permission="dead_letter:handle"
              explains={`Delivers ${which} again, through the published version. Those that fail again stay here.`}
              document={ReplayMutation}
              variables={(reason) => ({ input: { id, filter, reason } })}
              asks="Why? (for the audit log)"
              done="The replay is queued; its progress is under Overview"
              onDone={() => setSelected([])}
            />
            <ActionButton
              label={chosen.length > 0 ? `Discard ${chosen.length}` : 'Discard all'}
              size="xs"
              danger
              permission="dead_letter:handle"
              explains={`Forgets ${which} for good. This cannot be undone.`}
              document={DiscardMutation}
              variables={(reason) => ({ input: { id, filter, reason } })}
              asks="Why? (for the audit log)"
              done="They are gone"
              onDone={() => setSelected([])}
            />
          </>
        )
      }
    >
      {letters.length === 0 ? (
        <EmptyState icon={<IconMoodSmile size={24} />} title="None">
          A record that cannot be mapped or delivered comes here with its error. You can correct its payload
          or the mapping, and replay it.
        </EmptyState>
      ) : (
        <Table.ScrollContainer minWidth={680}>
          <Table>
            <Table.Thead>
              <Table.Tr>
                {['', 'Error', 'Failed', 'Version', 'Replays', ''].map((head, index) => (
                  <Table.Th key={`${head}${index}`}>{head}</Table.Th>
                ))}
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {letters.map((letter) => (
                <Table.Tr key={letter.id}>
                  <Table.Td>
                    <Checkbox
                      size="xs"
                      aria-label={`Select ${letter.errorMessage}`}
                      checked={chosen.includes(letter.id)}
                      onChange={() => toggle(letter.id)}
                    />
                  </Table.Td>
                  <Table.Td maw={380}>
                    <Text size="sm" className="wrap-anywhere" lineClamp={2}>
                      {letter.errorMessage}
                    </Text>
                    <Text size="xs" c="dimmed">
                      {letter.errorCode} <Code fz={11.5}>{letter.errorPath || '/'}</Code>
                      {letter.editedAt && `, edited by ${letter.editedBy}`}
                    </Text>
                  </Table.Td>
                  <Table.Td>
                    <Ago at={letter.createdAt} size="sm" />
                  </Table.Td>
                  <Table.Td>{letter.version}</Table.Td>
                  <Table.Td>{letter.attempts}</Table.Td>
                  <Table.Td>
                    <Button size="compact-xs" variant="default" onClick={() => setOpen(letter)}>
                      Look and edit
                    </Button>
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
      {list.hasNextPage && (
        <Button
          variant="default"
          mt="sm"
          loading={list.isFetchingNextPage}
          onClick={() => void list.fetchNextPage()}
        >
          Older ones
        </Button>
      )}
      <Modal
        opened={open !== null}
        onClose={() => setOpen(null)}
        size="xl"
        title={<Text fw={600}>Dead letter</Text>}
      >
        {open && <LetterEditor key={open.id} letter={open} onClose={() => setOpen(null)} />}
      </Modal>
      {letters.length > 0 && (
        <Group mt="sm">
          <Text size="xs" c="dimmed">
            {total} in all
          </Text>
        </Group>
      )}
    </Section>
  );
}
