import { useCallback, useRef, useState } from 'react';

/** The newest lines of a stream, with a pause that loses nothing of what the memory holds. */
export function useFeed<T>(limit: number) {
  const [lines, setLines] = useState<T[]>([]);
  const [paused, setPaused] = useState(false);
  const [waiting, setWaiting] = useState(0);
  const held = useRef<T[]>([]);
  const push = useCallback(
    (line: T) => {
      if (paused) {
        held.current = [line, ...held.current].slice(0, limit);
        setWaiting(held.current.length);
      } else setLines((before) => [line, ...before].slice(0, limit));
    },
    [paused, limit],
  );
  const toggle = () => {
    if (paused) {
      const released = held.current;
      held.current = [];
      setWaiting(0);
      setLines((before) => [...released, ...before].slice(0, limit));
    }
    setPaused(!paused);
  };
  return { lines, push, paused, toggle, waiting, clear: () => setLines([]) };
}
