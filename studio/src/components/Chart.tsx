import { Skeleton, Text } from '@mantine/core';
import { lazy, Suspense, type ComponentProps } from 'react';

const Inner = lazy(() => import('./ChartInner'));

/** One series over time; assistive technology gets its last value and its range. */
export function Chart(props: ComponentProps<typeof Inner> & { title: string; now: string }) {
  const { title, now, ...rest } = props;
  return (
    <figure style={{ margin: 0, minWidth: 0 }}>
      <figcaption style={{ display: 'flex', justifyContent: 'space-between', gap: 8 }}>
        <Text size="sm" c="dimmed">
          {title}
        </Text>
        <Text size="sm" fw={600} className="nums">
          {now}
        </Text>
      </figcaption>
      <div aria-hidden>
        <Suspense fallback={<Skeleton height={96} />}>
          <Inner {...rest} />
        </Suspense>
      </div>
    </figure>
  );
}
