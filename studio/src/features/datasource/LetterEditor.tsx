import { Button, Code, Group, Stack, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { request } from '../../api/client';
import { graphql } from '../../api/generated';
import { CodeEditor } from '../../components/CodeEditor';
import { ErrorView } from '../../components/ErrorView';
import { parseJson, reformat } from '../../components/format';
import type { Letter } from './DeadLetters';

const EditMutation = graphql(`
  mutation EditLetter($input: EditDeadLetterInput!) {
    editDeadLetter(input: $input) {
      deadLetter {
        id
      }
    }
  }
`);

/** One record that failed: why, and its payload to correct. */
export function LetterEditor({ letter, onClose }: { letter: Letter; onClose: () => void }) {
  const before = reformat(letter.payload);
  const [text, setText] = useState(before);
  const parsed = parseJson(text);
  const save = useMutation({
    mutationFn: () =>
      request(EditMutation, { input: { id: letter.id, payload: 'value' in parsed ? parsed.value : text } }),
    onSuccess: () => {
      notifications.show({ message: 'Kept; replay it to deliver it', withBorder: true });
      onClose();
    },
  });
  return (
    <Stack gap="sm">
      <Text size="sm" className="wrap-anywhere">
        {letter.errorMessage} <Code>{letter.errorPath || '/'}</Code>
      </Text>
      {!letter.complete && (
        <Text size="sm" c="var(--studio-warn)">
          The payload was cut or redacted: complete it before it can be replayed.
        </Text>
      )}
      <CodeEditor label="Payload" value={text} onChange={setText} minHeight={220} />
      {'error' in parsed && (
        <Text size="sm" c="var(--studio-bad)" role="alert">
          {parsed.error}
        </Text>
      )}
      {save.error && <ErrorView error={save.error} />}
      <Group justify="flex-end">
        <Button variant="default" onClick={onClose}>
          Close
        </Button>
        <Button
          disabled={text === before || 'error' in parsed}
          loading={save.isPending}
          onClick={() => save.mutate()}
        >
          Keep the new payload
        </Button>
      </Group>
    </Stack>
  );
}
