import { SegmentedControl, Text } from '@mantine/core';
import { useState } from 'react';
import { parse, stringify } from 'yaml';
import { CodeEditor } from '../../components/CodeEditor';
import { pretty } from '../../components/format';
import { Section } from '../../components/Section';
import type { Config } from '../config/SourceForm';

type Language = 'json' | 'yaml';

const write = (config: Config, language: Language) =>
  language === 'json' ? pretty(config) : stringify(config);

function read(text: string, language: Language): Config | string {
  try {
    const value = (language === 'json' ? JSON.parse(text) : parse(text)) as unknown;
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Config) : 'a configuration is an object with the section "connector"';
  } catch (error) {
    return error instanceof Error ? error.message : 'cannot be read';
  }
}

/** The whole document as text: what the forms do not show is here. */
export function DocumentEditor({ config, onChange }: { config: Config; onChange: (config: Config) => void }) {
  const [language, setLanguage] = useState<Language>('yaml');
  const [text, setText] = useState(() => write(config, language));
  const [problem, setProblem] = useState<string | null>(null);
  return (
    <Section
      title="Document"
      intro="The configuration as a whole, also what the forms do not show."
      actions={
        <SegmentedControl
          size="xs"
          aria-label="Language"
          value={language}
          onChange={(next) => {
            setLanguage(next);
            setText(write(config, next));
            setProblem(null);
          }}
          data={[
            { value: 'yaml', label: 'YAML' },
            { value: 'json', label: 'JSON' },
          ]}
        />
      }
    >
      <CodeEditor
        label="Configuration document"
        language={language}
        value={text}
        minHeight={320}
        maxHeight={640}
        onChange={(next) => {
          setText(next);
          const value = read(next, language);
          setProblem(typeof value === 'string' ? value : null);
          if (typeof value !== 'string') onChange(value);
        }}
      />
      {problem && (
        <Text size="sm" c="var(--studio-bad)" role="alert" mt={4}>
          {problem}
        </Text>
      )}
    </Section>
  );
}
