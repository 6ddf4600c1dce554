/** The mapping of one output with flat fields: what the visual editor edits. Anything else is edited as JSON. */
export interface SimpleMapping {
  input: string;
  kind: string;
  id: string;
  /** `null`: the input record as it is. */
  fields: { name: string; value: string }[] | null;
  transform: unknown;
}

export type Segment = string | number;
type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const KNOWN = new Set(['input', 'outputs', 'transform']);

/** `null` where the editor would lose something. */
export function simpleOf(mapping: unknown): SimpleMapping | null {
  if (mapping === undefined || mapping === null) mapping = {};
  if (!isObject(mapping) || Object.keys(mapping).some((key) => !KNOWN.has(key))) return null;
  const outputs = (mapping.outputs as unknown[] | undefined) ?? [{ kind: 'record' }];
  const [output] = outputs;
  if (outputs.length !== 1 || !isObject(output)) return null;
  if (Object.keys(output).some((key) => !['kind', 'id', 'fields'].includes(key))) return null;
  const { kind, id, fields } = output;
  if (
    fields !== undefined &&
    !(isObject(fields) && Object.values(fields).every((each) => typeof each === 'string'))
  ) {
    return null;
  }
  return {
    input: typeof mapping.input === 'string' ? mapping.input : '$',
    kind: typeof kind === 'string' ? kind : 'record',
    id: typeof id === 'string' ? id : '',
    fields:
      fields === undefined
        ? null
        : Object.entries(fields).map(([name, value]) => ({ name, value: value as string })),
    transform: mapping.transform,
  };
}

export function mappingOf({ input, kind, id, fields, transform }: SimpleMapping): Json {
  const named = fields?.filter(({ name }) => name !== '');
  return {
    ...(input && input !== '$' ? { input } : {}),
    outputs: [
      {
        kind,
        ...(id ? { id } : {}),
        ...(named ? { fields: Object.fromEntries(named.map(({ name, value }) => [name, value])) } : {}),
      },
    ],
    ...(transform === undefined ? {} : { transform }),
  };
}

/** A JSONPath (RFC 9535) to one place; `*` stands for each item. */
export function pathOf(segments: Segment[]): string {
  return segments.reduce<string>((path, segment) => {
    if (typeof segment === 'number') return `${path}[${segment}]`;
    if (segment === '*') return `${path}[*]`;
    if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(segment)) return `${path}.${segment}`;
    return `${path}['${segment.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}']`;
  }, '$');
}

/** The place as seen from an input record; `null` where it is in none. */
export function withinRecord(input: string, segments: Segment[]): Segment[] | null {
  if (input === '$' || input === '') return segments;
  for (let length = segments.length; length >= 0; length -= 1) {
    const head = segments.slice(0, length);
    const each = head.map((segment) => (typeof segment === 'number' ? '*' : segment));
    if (pathOf(each) === input || pathOf(head) === input) return segments.slice(length);
  }
  return null;
}

/** A name for a field that takes its value from there, not used yet. */
export function fieldName(segments: Segment[], taken: string[]): string {
  const words = segments
    .filter((segment): segment is string => typeof segment === 'string')
    .map((word) =>
      word
        .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
        .replaceAll(/[^A-Za-z0-9]+/g, '_')
        .toLowerCase(),
    );
  for (let depth = 1; depth <= words.length; depth += 1) {
    const name = words.slice(-depth).join('_');
    if (name && !taken.includes(name)) return name;
  }
  return `${words.at(-1) ?? 'field'}_${taken.length + 1}`;
}

/** A first mapping for a payload: its list, if it is one, and an id, if it has one. */
export function suggest(sample: unknown): SimpleMapping {
  const simple: SimpleMapping = { input: '$', kind: 'record', id: '', fields: null, transform: undefined };
  let record = sample;
  if (Array.isArray(sample)) {
    simple.input = '$[*]';
    record = sample[0];
  } else if (isObject(sample)) {
    const lists = Object.entries(sample).filter(([, value]) => Array.isArray(value) && isObject(value[0]));
    const [only] = lists;
    // A page of items has little else; a document that also has a list is one record.
    if (lists.length === 1 && only && Object.keys(sample).length <= 4 && !('id' in sample)) {
      simple.input = pathOf([only[0], '*']);
      record = (only[1] as unknown[])[0];
    }
  }
  if (isObject(record)) {
    const id = ['id', 'uuid', 'event_id', 'order_id'].find((key) => key in record);
    if (id) simple.id = pathOf([id]);
  }
  return simple;
}
