import { Button, Group, NativeSelect, SegmentedControl, Stack, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { request } from '../../api/client';
import { useCan } from '../../api/viewer';
import { CodeEditor } from '../../components/CodeEditor';
import { ErrorView } from '../../components/ErrorView';
import { parseJson, pretty, reformat } from '../../components/format';
import { useConnectorTypes } from '../connectors/queries';
import { SampleTree } from './SampleTree';
import { KeepSample, useSamples } from './samples';
import type { Segment } from './mapping';
import { TestMutation } from './usePreview';
import classes from './config.module.css';

interface Props {
  id: string;
  type: string;
  config: unknown;
  text: string;
  setText: (text: string) => void;
  input: string;
  mapped: Set<string>;
  onPick?: (within: Segment[]) => void;
  onEach?: (input: string) => void;
}

/** Connector types whose source can be asked; to the others somebody sends. */
const PUSHED = new Set(['webhook', 'kafka', 'nats', 'sse', 'websocket']);

/** Where the payload comes from that a mapping is tried on. */
export function SamplePanel({ id, type, config, text, setText, input, mapped, onPick, onEach }: Props) {
  const [mode, setMode] = useState<'tree' | 'text'>('tree');
  const connector = useConnectorTypes().data?.find(({ name }) => name === type);
  const stored = useSamples(id);
  const can = useCan();
  const parsed = parseJson(text);
  const fetching = useMutation({
    mutationFn: async () => {
      const tested = await request(TestMutation, { input: { id, configOverride: config, fetch: true } });
      return tested.testDatasource.run.payload;
    },
    onSuccess: (payload) => {
      if (payload) setText(reformat(payload));
      notifications.show({
        message: 'Fetched one answer of the source; its checkpoint did not move.',
        withBorder: true,
      });
    },
  });
  const samples = stored.data ?? [];
  return (
    <Stack gap="xs">
      <Group justify="space-between" gap="xs">
        <SegmentedControl
          size="xs"
          aria-label="How to show the sample"
          value={mode}
          onChange={(value) => setMode(value)}
          data={[
            { value: 'tree', label: 'Click to map' },
            { value: 'text', label: 'Paste or edit' },
          ]}
        />
        <Group gap="xs">
          <NativeSelect
            size="xs"
            aria-label="Sample"
            value=""
            onChange={(event) => {
              const value = event.currentTarget.value;
              if (value === 'example') setText(pretty(connector?.sample));
              const sample = samples.find(({ name }) => `s:${name}` === value);
              if (sample) setText(reformat(sample.payload));
            }}
            data={[
              { value: '', label: 'Take a sample…', disabled: true },
              { value: 'example', label: `Example of ${connector?.title ?? type}` },
              ...samples.map(({ name }) => ({ value: `s:${name}`, label: `Stored: ${name}` })),
            ]}
          />
          {can('datasource:test') && <KeepSample id={id} config={config} text={text} />}
          {!PUSHED.has(type) && can('datasource:test') && (
            <Button
              size="xs"
              variant="default"
              loading={fetching.isPending}
              onClick={() => fetching.mutate()}
            >
              Fetch from the source
            </Button>
          )}
        </Group>
      </Group>
      {fetching.error && <ErrorView error={fetching.error} />}
      {mode === 'text' ? (
        <CodeEditor label="Sample payload" value={text} onChange={setText} minHeight={200} maxHeight={460} />
      ) : 'value' in parsed ? (
        <div className={classes.sample} tabIndex={0} role="group" aria-label="Sample">
          <SampleTree value={parsed.value} input={input} mapped={mapped} onPick={onPick} onEach={onEach} />
        </div>
      ) : (
        <Text size="sm" c="dimmed">
          The sample is not JSON ({parsed.error}). It is tried as it is; to click fields, paste JSON.
        </Text>
      )}
    </Stack>
  );
}
