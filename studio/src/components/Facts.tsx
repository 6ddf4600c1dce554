import { Text } from '@mantine/core';
import type { ReactNode } from 'react';

/** Names and values in two columns. */
export function Facts({ facts }: { facts: [string, ReactNode][] }) {
  return (
    <dl
      style={{ display: 'grid', gridTemplateColumns: 'minmax(90px, auto) 1fr', gap: '6px 16px', margin: 0 }}
    >
      {facts.map(([name, value]) => (
        <div key={name} style={{ display: 'contents' }}>
          <Text component="dt" size="sm" c="dimmed">
            {name}
          </Text>
          <Text component="dd" size="sm" m={0} className="wrap-anywhere">
            {value ?? '–'}
          </Text>
        </div>
      ))}
    </dl>
  );
}
