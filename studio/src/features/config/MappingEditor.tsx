import {
  ActionIcon,
  Button,
  Group,
  SegmentedControl,
  Stack,
  Text,
  Textarea,
  TextInput,
  Tooltip,
} from '@mantine/core';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import { useState } from 'react';
import { CodeEditor } from '../../components/CodeEditor';
import { parseJson, pretty } from '../../components/format';
import { fieldName, mappingOf, pathOf, simpleOf, type Segment, type SimpleMapping } from './mapping';
import classes from './config.module.css';

interface Props {
  mapping: unknown;
  onChange: (mapping: unknown) => void;
}

/** Adds what was clicked in the sample. */
export function pick(mapping: unknown, within: Segment[]): unknown {
  const simple = simpleOf(mapping);
  if (!simple) return mapping;
  const value = pathOf(within);
  const fields = simple.fields ?? [];
  if (fields.some((field) => field.value === value)) return mapping;
  const name = fieldName(
    within,
    fields.map((field) => field.name),
  );
  return mappingOf({ ...simple, fields: [...fields, { name, value }] });
}

export function MappingEditor({ mapping, onChange }: Props) {
  const simple = simpleOf(mapping);
  const [asText, setAsText] = useState(false);
  return (
    <Stack gap="sm">
      <SegmentedControl
        size="xs"
        aria-label="How to edit the mapping"
        value={asText || !simple ? 'json' : 'form'}
        onChange={(value) => setAsText(value === 'json')}
        data={[
          { value: 'form', label: 'Fields', disabled: !simple },
          { value: 'json', label: 'JSON' },
        ]}
        style={{ alignSelf: 'flex-start' }}
      />
      {asText || !simple ? (
        <JsonMapping mapping={mapping} onChange={onChange} />
      ) : (
        <Fields simple={simple} onChange={(next) => onChange(mappingOf(next))} />
      )}
    </Stack>
  );
}

function JsonMapping({ mapping, onChange }: Props) {
  const [text, setText] = useState(pretty(mapping ?? {}));
  const parsed = parseJson(text);
  return (
    <Stack gap={4}>
      <CodeEditor
        label="Mapping"
        value={text}
        onChange={(next) => {
          setText(next);
          const result = parseJson(next);
          if ('value' in result) onChange(result.value);
        }}
      />
      {'error' in parsed && (
        <Text size="sm" c="var(--studio-bad)" role="alert">
          {parsed.error}
        </Text>
      )}
    </Stack>
  );
}

function Fields({ simple, onChange }: { simple: SimpleMapping; onChange: (next: SimpleMapping) => void }) {
  const set = (change: Partial<SimpleMapping>) => onChange({ ...simple, ...change });
  const fields = simple.fields;
  const update = (index: number, change: { name?: string; value?: string }) =>
    set({ fields: fields?.map((field, at) => (at === index ? { ...field, ...change } : field)) ?? null });
  const mono = { input: { fontFamily: 'var(--mantine-font-family-monospace)', fontSize: 13 } };
  return (
    <Stack gap="sm">
      <Group grow align="flex-start" gap="xs">
        <TextInput
          label="Kind"
          description="What a record is"
          value={simple.kind}
          onChange={(e) => set({ kind: e.currentTarget.value })}
        />
        <TextInput
          label="Records at"
          description="Each match is one"
          styles={mono}
          value={simple.input}
          onChange={(e) => set({ input: e.currentTarget.value })}
        />
        <TextInput
          label="Id"
          description="Empty: a stable hash"
          placeholder="$.id"
          styles={mono}
          value={simple.id}
          onChange={(e) => set({ id: e.currentTarget.value })}
        />
      </Group>
      <div>
        <Text size="sm" fw={500}>
          Fields
        </Text>
        {fields === null ? (
          <Text size="sm" c="dimmed">
            The record is delivered as it is. Click a value in the sample to choose fields instead.
          </Text>
        ) : (
          <div className={classes.fields} role="group" aria-label="Fields">
            {fields.map((field, index) => (
              <FieldRow
                key={index}
                {...field}
                mono={mono}
                onChange={(change) => update(index, change)}
                onRemove={() => {
                  const rest = fields.filter((_, at) => at !== index);
                  set({ fields: rest.length > 0 ? rest : null });
                }}
              />
            ))}
          </div>
        )}
        <Button
          mt={6}
          size="compact-sm"
          variant="subtle"
          leftSection={<IconPlus size={14} />}
          onClick={() =>
            set({ fields: [...(fields ?? []), { name: `field_${(fields?.length ?? 0) + 1}`, value: '$.' }] })
          }
        >
          Add a field
        </Button>
      </div>
      <Transform transform={simple.transform} onChange={(transform) => set({ transform })} />
    </Stack>
  );
}

interface RowProps {
  name: string;
  value: string;
  mono: object;
  onChange: (change: { name?: string; value?: string }) => void;
  onRemove: () => void;
}

function FieldRow({ name, value, mono, onChange, onRemove }: RowProps) {
  return (
    <>
      <TextInput
        size="xs"
        aria-label="Name of the field"
        value={name}
        onChange={(e) => onChange({ name: e.currentTarget.value })}
      />
      <TextInput
        size="xs"
        aria-label={`Path of ${name}`}
        styles={mono}
        value={value}
        onChange={(e) => onChange({ value: e.currentTarget.value })}
      />
      <Tooltip label={`Remove ${name}`}>
        <ActionIcon variant="subtle" color="gray" aria-label={`Remove ${name}`} onClick={onRemove}>
          <IconTrash size={16} />
        </ActionIcon>
      </Tooltip>
    </>
  );
}

function Transform({ transform, onChange }: { transform: unknown; onChange: (transform: unknown) => void }) {
  const source = (transform as { source?: string } | undefined)?.source;
  if (source === undefined) {
    return (
      <Button
        size="compact-sm"
        variant="subtle"
        style={{ alignSelf: 'flex-start' }}
        leftSection={<IconPlus size={14} />}
        onClick={() => onChange({ language: 'rhai', source: 'record' })}
      >
        Add a transform
      </Button>
    );
  }
  return (
    <Group align="flex-end" gap="xs" wrap="nowrap">
      <Textarea
        label="Transform"
        description="A Rhai program that runs on each record, in a sandbox; its last value is the record."
        style={{ flex: 1 }}
        styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)', fontSize: 13 } }}
        autosize
        minRows={2}
        value={source}
        onChange={(event) => onChange({ language: 'rhai', source: event.currentTarget.value })}
      />
      <ActionIcon
        variant="subtle"
        color="gray"
        aria-label="Remove the transform"
        onClick={() => onChange(undefined)}
      >
        <IconTrash size={16} />
      </ActionIcon>
    </Group>
  );
}
