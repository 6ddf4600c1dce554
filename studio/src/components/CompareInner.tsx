import { json } from '@codemirror/lang-json';
import { EditorState } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import { MergeView } from '@codemirror/merge';
import { oneDark } from '@uiw/react-codemirror';
import { useComputedColorScheme } from '@mantine/core';
import { useEffect, useRef } from 'react';

interface Props {
  before: string;
  after: string;
  label: string;
}

export default function CompareInner({ before, after, label }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const scheme = useComputedColorScheme('light');
  useEffect(() => {
    if (!host.current) return;
    const side = (doc: string, name: string) => ({
      doc,
      extensions: [
        json(),
        EditorView.lineWrapping,
        EditorState.readOnly.of(true),
        EditorView.contentAttributes.of({ 'aria-label': `${label}: ${name}`, tabindex: '0' }),
        EditorView.theme({ '&': { fontSize: '12.5px' } }),
        ...(scheme === 'dark' ? [oneDark] : []),
      ],
    });
    const view = new MergeView({
      a: side(before, 'before'),
      b: side(after, 'after'),
      parent: host.current,
      collapseUnchanged: { margin: 3, minSize: 6 },
      gutter: true,
    });
    return () => view.destroy();
  }, [before, after, label, scheme]);
  return (
    <div
      ref={host}
      style={{ border: '1px solid var(--studio-line)', borderRadius: 4, overflow: 'auto', maxHeight: 520 }}
    />
  );
}
