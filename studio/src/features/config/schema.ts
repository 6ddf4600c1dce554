import type { ErrorSchema, RJSFSchema, UiSchema } from '@rjsf/utils';
import type { Problem } from '../../api/client';

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isJson = (schema: Json) =>
  !['type', 'oneOf', 'anyOf', 'enum', 'const', 'properties'].some((key) => key in schema);

/**
 * A published schema as the form draws it. A default is shown and not written, so that a
 * configuration says what somebody chose and nothing else; only a switch is written as it stands.
 */
export function forForm(published: unknown): { schema: RJSFSchema; uiSchema: UiSchema } {
  const schema = prepare(isObject(published) ? published : {});
  const order = [...mainFields(published)].filter(
    (name) => isObject(schema.properties) && name in schema.properties,
  );
  return {
    schema: { ...schema, title: undefined, description: undefined },
    uiSchema: { ...uiOf(schema), 'ui:order': [...order, '*'] },
  };
}

function prepare(source: Json): Json {
  const schema: Json = { ...source };
  delete schema.$schema;
  delete schema.examples;
  // Where a text is set, Markdown's quotes are noise.
  if (typeof schema.description === 'string') schema.description = schema.description.replaceAll('`', '');
  if (Array.isArray(schema.type)) schema.type = (schema.type as string[]).find((type) => type !== 'null');
  const shown = source.default ?? (source.examples as unknown[] | undefined)?.[0];
  if (typeof shown === 'string' || typeof shown === 'number') schema['x-shown'] = String(shown);
  if (typeof schema.default !== 'boolean') delete schema.default;
  if (isObject(schema.properties)) {
    schema.properties = Object.fromEntries(
      Object.entries(schema.properties).map(([name, property]) => [
        name,
        prepare({ title: titleOf(name), ...(isObject(property) ? property : {}) }),
      ]),
    );
  }
  if (Array.isArray(schema.oneOf)) schema.oneOf = (schema.oneOf as Json[]).map((each) => prepareOption(each));
  if (isObject(schema.items)) schema.items = prepare(schema.items);
  if (isObject(schema.additionalProperties))
    schema.additionalProperties = prepare(schema.additionalProperties);
  return schema;
}

function prepareOption(option: Json): Json {
  const named = 'const' in option && !option.title ? { ...option, title: String(option.const) } : option;
  return 'const' in named ? { ...named } : { ...prepare(named), 'x-option': true };
}

function titleOf(name: string): string {
  const text = name.replaceAll('_', ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function uiOf(schema: Json): UiSchema {
  const ui: UiSchema = {};
  if (typeof schema['x-shown'] === 'string') ui['ui:placeholder'] = schema['x-shown'];
  if (isJson(schema)) ui['ui:field'] = 'json';
  const options = Array.isArray(schema.oneOf) ? (schema.oneOf as Json[]) : [];
  for (const each of [schema, ...options]) {
    if (!isObject(each.properties)) continue;
    for (const [name, property] of Object.entries(each.properties)) {
      if (!isObject(property)) continue;
      // Which alternative it is was chosen above it.
      ui[name] = 'const' in property ? { 'ui:widget': 'hidden' } : uiOf(property);
    }
  }
  if (isObject(schema.items)) ui.items = uiOf(schema.items);
  return ui;
}

/** What a form should show at once: what is required, and what a typical use sets. */
export function mainFields(published: unknown): Set<string> {
  const schema = isObject(published) ? published : {};
  const example = (schema.examples as unknown[] | undefined)?.[0];
  const required = Array.isArray(schema.required) ? (schema.required as string[]) : [];
  return new Set([...required, ...(isObject(example) ? Object.keys(example) : [])]);
}

/** Without what was left empty. */
export function prune(value: unknown): unknown {
  if (Array.isArray(value)) return (value as unknown[]).map(prune).filter((each) => each !== undefined);
  if (!isObject(value)) return value === '' || value === null ? undefined : value;
  const kept = Object.entries(value)
    .map(([key, each]) => [key, prune(each)] as const)
    .filter(([, each]) => each !== undefined && !(isObject(each) && Object.keys(each).length === 0));
  return Object.fromEntries(kept);
}

/** Problems below a pointer, in the shape that the form puts beside its fields. */
export function errorsAt(problems: Problem[], prefix: string): ErrorSchema {
  const errors: Json = {};
  for (const { pointer, message } of problems) {
    if (!pointer.startsWith(prefix)) continue;
    let at = errors;
    for (const part of pointer.slice(prefix.length).split('/').filter(Boolean)) {
      at = (at[part.replaceAll('~1', '/').replaceAll('~0', '~')] ??= {}) as Json;
    }
    at.__errors = [...((at.__errors as string[] | undefined) ?? []), message];
  }
  return errors as ErrorSchema;
}

/** Both spellings name a secret; a field for text holds the one that is text. */
export function asText(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asText);
  if (!isObject(value)) return value;
  const key = secretKey(value);
  if (key !== null) return `{{secret.${key}}}`;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, asText(each)]));
}

const SECRET = /^\{\{\s*secret\.([^}\s]+)\s*\}\}$/;

/** The stored key that a value names, in either spelling. */
export function secretKey(value: unknown): string | null {
  if (isObject(value) && typeof value.$secret === 'string') return value.$secret;
  return typeof value === 'string' ? (SECRET.exec(value)?.[1] ?? null) : null;
}

/** Every stored key that a configuration names, also where it stands within a text. */
export function secretKeys(config: unknown): string[] {
  const aliases = isObject(config) && isObject(config.secrets) ? config.secrets : {};
  const found = new Set<string>();
  const visit = (value: unknown) => {
    if (typeof value === 'string') {
      for (const match of value.matchAll(/\{\{\s*secret\.([^}\s]+)\s*\}\}/g))
        if (match[1]) found.add(match[1]);
    } else if (Array.isArray(value)) value.forEach(visit);
    else if (isObject(value)) {
      if (typeof value.$secret === 'string') found.add(value.$secret);
      Object.values(value).forEach(visit);
    }
  };
  if (isObject(config)) [config.connector, config.delivery].forEach(visit);
  return [...found].map((alias) => (typeof aliases[alias] === 'string' ? aliases[alias] : alias));
}
