import { Button, Collapse, Fieldset, Stack, Text, Textarea } from '@mantine/core';
import Form from '@rjsf/mantine';
import type { FieldProps, ObjectFieldTemplateProps, RJSFSchema, WidgetProps } from '@rjsf/utils';
import { getDefaultRegistry } from '@rjsf/core';
import { useMemo, useState, type ComponentType } from 'react';
import type { Problem } from '../../api/client';
import { parseJson, pretty } from '../../components/format';
import { asText, errorsAt, forForm, mainFields, prune } from './schema';
import { SecretField, type Aliases, type SecretContext } from './SecretField';
import { validator } from './validator';

interface Props {
  schema: unknown;
  value: unknown;
  onChange: (value: unknown) => void;
  problems: Problem[];
  /** JSON pointer of the value in its document. */
  pointer: string;
  secrets: SecretContext;
  aliases?: Aliases;
}

interface Context {
  main: Set<string>;
  secrets: SecretContext;
  aliases: Aliases;
}

const PlainText = getDefaultRegistry().widgets.TextWidget as ComponentType<WidgetProps>;

/** A form for what a connector or a sink wants to know, drawn from its schema. */
export default function SchemaForm({
  schema: published,
  value,
  onChange,
  problems,
  pointer,
  secrets,
  aliases,
}: Props) {
  const { schema, uiSchema } = useMemo(() => forForm(published), [published]);
  const main = useMemo(() => mainFields(published), [published]);
  const context: Context = { main, secrets, aliases: aliases ?? {} };
  return (
    <Form
      tagName="div"
      schema={schema}
      uiSchema={{ ...uiSchema, 'ui:submitButtonOptions': { norender: true } }}
      validator={validator as never}
      formData={asText(value)}
      onChange={({ formData }, id) => {
        // Without a field it was nobody: the form filled in what it shows.
        if (id !== undefined) onChange(prune(formData) ?? {});
      }}
      extraErrors={errorsAt(problems, pointer)}
      showErrorList={false}
      noHtml5Validate
      formContext={context}
      idPrefix={`f${pointer.replaceAll('/', '_')}`}
      widgets={{ TextWidget: TextOrSecret }}
      fields={{ json: JsonField }}
      templates={{ ObjectFieldTemplate: Objects }}
      experimental_defaultFormStateBehavior={{
        emptyObjectFields: 'populateRequiredDefaults',
        constAsDefaults: 'always',
        allOf: 'skipDefaults',
      }}
    />
  );
}

function contextOf(props: { registry: { formContext: unknown } }): Context {
  return props.registry.formContext as Context;
}

function TextOrSecret(props: WidgetProps) {
  if (!(props.schema as RJSFSchema & { 'x-secret'?: boolean })['x-secret']) return <PlainText {...props} />;
  const { secrets, aliases } = contextOf(props);
  return <SecretField {...props} secrets={secrets} aliases={aliases} />;
}

/** The fields that matter at first; the others when they are asked for. */
function Objects(props: ObjectFieldTemplateProps) {
  const [open, setOpen] = useState(false);
  const { main } = contextOf(props);
  const isRoot = props.fieldPathId.path.length === 0;
  if (!isRoot) return <Nested {...props} />;
  const data = (props.formData ?? {}) as Record<string, unknown>;
  const first = props.properties.filter(({ name }) => main.has(name));
  const rest = props.properties.filter(({ name }) => !main.has(name));
  const changed = rest.filter(({ name }) => data[name] !== undefined).length;
  return (
    <Stack gap="md">
      {first.map(({ content }) => content)}
      {rest.length > 0 && (
        <div>
          <Button
            variant="subtle"
            size="compact-sm"
            aria-expanded={open}
            onClick={() => setOpen((before) => !before)}
          >
            {open ? 'Fewer settings' : `More settings (${changed > 0 ? `${changed} of ` : ''}${rest.length})`}
          </Button>
          <Collapse expanded={open}>
            <Stack gap="md" mt="sm">
              {rest.map(({ content }) => content)}
            </Stack>
          </Collapse>
        </div>
      )}
    </Stack>
  );
}

/** One of several alternatives stands below its choice; an object of its own gets a frame. */
function Nested({ schema, title, description, properties, required }: ObjectFieldTemplateProps) {
  const content = properties.filter(({ hidden }) => !hidden).map((property) => property.content);
  const text = description && (
    <Text size="sm" c="dimmed" component="div">
      {description}
    </Text>
  );
  // What is hidden still belongs to the form.
  const hidden = properties.filter((property) => property.hidden).map((property) => property.content);
  if ((schema as { 'x-option'?: boolean })['x-option']) {
    return (
      <Stack gap="sm" mt={6}>
        {text}
        {content}
        {hidden}
      </Stack>
    );
  }
  return (
    <Fieldset legend={required ? `${title} *` : title} radius="sm">
      <Stack gap="sm">
        {text}
        {content}
        {hidden}
      </Stack>
    </Fieldset>
  );
}

function JsonField({ schema, formData, onChange, fieldPathId }: FieldProps) {
  const [text, setText] = useState(formData === undefined || formData === null ? '' : pretty(formData));
  const parsed = text.trim() === '' ? { value: undefined } : parseJson(text);
  return (
    <Textarea
      label={schema.title}
      description={schema.description}
      value={text}
      autosize
      minRows={2}
      error={'error' in parsed ? parsed.error : undefined}
      onChange={(event) => {
        const next = event.currentTarget.value;
        setText(next);
        const value = next.trim() === '' ? { value: undefined } : parseJson(next);
        if ('value' in value) onChange(value.value, fieldPathId.path);
      }}
    />
  );
}
