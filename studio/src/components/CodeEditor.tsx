import { Skeleton } from '@mantine/core';
import { lazy, Suspense, type ComponentProps } from 'react';

const Editor = lazy(() => import('./CodeEditorInner'));

/** A text editor for JSON and YAML; loaded when it is needed. */
export function CodeEditor(props: ComponentProps<typeof Editor>) {
  return (
    <Suspense fallback={<Skeleton height={props.minHeight ?? 200} />}>
      <Editor {...props} />
    </Suspense>
  );
}

const Compare = lazy(() => import('./CompareInner'));

/** Two texts side by side, with what is different. */
export function TextDiff(props: ComponentProps<typeof Compare>) {
  return (
    <Suspense fallback={<Skeleton height={200} />}>
      <Compare {...props} />
    </Suspense>
  );
}
