import { Text, Tooltip, type TextProps } from '@mantine/core';
import { useSyncExternalStore } from 'react';

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
];
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'short' });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

export function ago(at: string, now: number): string {
  const seconds = (new Date(at).getTime() - now) / 1000;
  if (Math.abs(seconds) < 5) return 'just now';
  const [unit, size] = STEPS.find(([, length]) => Math.abs(seconds) >= length) ?? ['second', 1];
  return relative.format(Math.trunc(seconds / size), unit);
}

export function exactTime(at: string): string {
  return exact.format(new Date(at));
}

// One clock for every age on the screen.
let now = Date.now();
const watchers = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function tick(watcher: () => void) {
  watchers.add(watcher);
  timer ??= setInterval(() => {
    now = Date.now();
    watchers.forEach((each) => each());
  }, 5_000);
  return () => {
    watchers.delete(watcher);
    if (watchers.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

interface Props extends TextProps {
  at?: string | null;
  none?: string;
  /** A time to come. Any other is at most now, however the clocks of server and browser differ. */
  ahead?: boolean;
}

/** How long ago, kept current; the exact time on hover and for assistive technology. */
export function Ago({ at, none = '–', ahead, ...rest }: Props) {
  const current = useSyncExternalStore(tick, () => now);
  if (!at)
    return (
      <Text span {...rest}>
        {none}
      </Text>
    );
  return (
    <Tooltip label={exactTime(at)}>
      <Text span className="nums" {...rest}>
        <time dateTime={at}>{ago(at, ahead ? current : Math.max(current, new Date(at).getTime()))}</time>
      </Text>
    </Tooltip>
  );
}
