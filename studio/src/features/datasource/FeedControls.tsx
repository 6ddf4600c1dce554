import { Button, Group, Text } from '@mantine/core';
import { IconPlayerPause, IconPlayerPlay } from '@tabler/icons-react';
import type { useFeed } from './useFeed';

export function FeedControls({ feed }: { feed: Omit<ReturnType<typeof useFeed>, 'push'> }) {
  const { paused, toggle, waiting, clear, lines } = feed;
  return (
    <Group gap="xs">
      {paused && (
        <Text size="sm" c="dimmed" role="status">
          {waiting} waiting
        </Text>
      )}
      <Button
        size="xs"
        variant="default"
        onClick={toggle}
        leftSection={paused ? <IconPlayerPlay size={14} /> : <IconPlayerPause size={14} />}
      >
        {paused ? 'Go on' : 'Pause'}
      </Button>
      <Button size="xs" variant="default" onClick={clear} disabled={lines.length === 0}>
        Clear
      </Button>
    </Group>
  );
}
