import { json } from '@codemirror/lang-json';
import { yaml } from '@codemirror/lang-yaml';
import { EditorView } from '@codemirror/view';
import { useComputedColorScheme } from '@mantine/core';
import CodeMirror from '@uiw/react-codemirror';
import { useMemo } from 'react';

interface Props {
  label: string;
  value: string;
  onChange?: (value: string) => void;
  language?: 'json' | 'yaml' | 'text';
  minHeight?: number;
  maxHeight?: number;
}

export default function CodeEditorInner({
  label,
  value,
  onChange,
  language = 'json',
  minHeight = 120,
  maxHeight = 480,
}: Props) {
  const theme = useComputedColorScheme('light');
  const extensions = useMemo(
    () => [
      ...(language === 'json' ? [json()] : language === 'yaml' ? [yaml()] : []),
      EditorView.lineWrapping,
      EditorView.contentAttributes.of({ 'aria-label': label, tabindex: '0' }),
      EditorView.theme({
        '&': { fontSize: '13px' },
        '.cm-scroller': { fontFamily: 'var(--mantine-font-family-monospace)' },
      }),
    ],
    [language, label],
  );
  return (
    <CodeMirror
      value={value}
      onChange={onChange}
      editable={onChange !== undefined}
      theme={theme}
      extensions={extensions}
      minHeight={`${minHeight}px`}
      maxHeight={`${maxHeight}px`}
      basicSetup={{ foldGutter: true, highlightActiveLine: onChange !== undefined, autocompletion: false }}
      style={{ border: '1px solid var(--studio-line)', borderRadius: 4, overflow: 'hidden' }}
    />
  );
}
