import { useMemo, useState } from 'react';
import { useCan } from '../../api/viewer';
import { Section } from '../../components/Section';
import { parseJson, pretty, reformat } from '../../components/format';
import { useConnectorTypes } from '../connectors/queries';
import { MappingEditor, pick } from './MappingEditor';
import { mappingOf, simpleOf } from './mapping';
import { Preview } from './Preview';
import { SamplePanel } from './SamplePanel';
import { useSamples } from './samples';
import { usePreview } from './usePreview';
import classes from './config.module.css';

interface Props {
  id: string;
  type: string;
  config: Record<string, unknown>;
  onChange: (mapping: unknown) => void;
}

/** A sample on one side; what is taken from it, and what comes out, on the other. */
export function MappingStudio({ id, type, config, onChange }: Props) {
  const can = useCan();
  const example = useConnectorTypes().data?.find(({ name }) => name === type)?.sample;
  const [typed, setText] = useState<string | null>(null);
  // What somebody kept says more of this feed than the example of its connector.
  const kept = useSamples(id).data?.[0]?.payload;
  const text =
    typed ?? (kept === undefined ? (example === undefined ? '' : pretty(example)) : reformat(kept));
  const { mapping } = config;
  const payload = useMemo(() => {
    const parsed = parseJson(text);
    return 'value' in parsed ? parsed.value : text || undefined;
  }, [text]);
  const run = usePreview(id, config, payload, can('datasource:test'));
  const simple = simpleOf(mapping);
  // A click and a keystroke write to the same document; the editor starts again from what a click wrote.
  const [clicks, setClicks] = useState(0);
  const write = (next: unknown) => {
    onChange(next);
    setClicks((before) => before + 1);
  };
  return (
    <div className={classes.split}>
      <Section title="Sample" intro="A payload as the source sends it. Click a value to map it.">
        <SamplePanel
          id={id}
          type={type}
          config={config}
          text={text}
          setText={setText}
          input={simple?.input ?? '$'}
          mapped={new Set(simple?.fields?.map(({ value }) => value))}
          onPick={simple ? (within) => write(pick(mapping, within)) : undefined}
          onEach={
            simple
              ? (input) =>
                  write(
                    mappingOf({
                      ...simple,
                      input: simple.input === input ? '$' : input,
                      fields: null,
                      id: '',
                    }),
                  )
              : undefined
          }
        />
      </Section>
      <div style={{ display: 'grid', gap: 16, minWidth: 0 }}>
        <Section title="Mapping" intro="What a record is made of.">
          <MappingEditor key={clicks} mapping={mapping} onChange={onChange} />
        </Section>
        <Section title="Preview" intro="Nothing is delivered.">
          <Preview run={run} />
        </Section>
      </div>
    </div>
  );
}
