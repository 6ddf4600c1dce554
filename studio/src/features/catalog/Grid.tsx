import { Text, Tooltip } from '@mantine/core';
import { Link, useNavigate } from '@tanstack/react-router';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useRef, useState, type KeyboardEvent } from 'react';
import { count, rate } from '../../components/format';
import { Health } from '../../components/Status';
import { Ago } from '../../components/time';
import type { Row } from './queries';
import classes from './catalog.module.css';

interface Props {
  rows: Row[];
  total: number;
  more: () => void;
  onVisible: (ids: string[]) => void;
}

const HEIGHT = 52;
const HEAD = 38;
const COLUMNS = ['Name', 'Health', 'Type', 'Rate', 'Delivered', 'Last record', 'Owner', 'Version'];

/** The list, drawn only where it is looked at; the next page comes as one scrolls towards it. */
export function Grid({ rows, total, more, onVisible }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const [current, setCurrent] = useState(0);
  const navigate = useNavigate();
  // eslint-disable-next-line react-hooks/incompatible-library -- the virtualiser draws anew by itself
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => HEIGHT,
    overscan: 12,
    getItemKey: (index) => rows[index]?.id ?? index,
  });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (last >= rows.length - 20) more();
  }, [last, rows.length, more]);
  const shown = items.map((item) => rows[item.index]?.id).join(',');
  useEffect(() => {
    // While one scrolls, the states of what flies by are nobody's concern.
    const timer = setTimeout(() => onVisible(shown.split(',').filter(Boolean).slice(0, 200)), 150);
    return () => clearTimeout(timer);
  }, [shown, onVisible]);

  const move = (index: number) => {
    const next = Math.max(0, Math.min(rows.length - 1, index));
    setCurrent(next);
    virtual.scrollToIndex(next);
    requestAnimationFrame(() =>
      scroller.current?.querySelector<HTMLElement>(`[data-index="${next}"]`)?.focus(),
    );
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const page = Math.floor((scroller.current?.clientHeight ?? 400) / HEIGHT);
    const to: Record<string, number> = {
      ArrowDown: current + 1,
      ArrowUp: current - 1,
      PageDown: current + page,
      PageUp: current - page,
      Home: 0,
      End: rows.length - 1,
    };
    const target = to[event.key];
    const row = rows[current];
    if (target !== undefined) move(target);
    else if (
      event.key === 'Enter' &&
      row &&
      event.target === event.currentTarget.querySelector(`[data-index="${current}"]`)
    )
      void navigate({ to: '/catalog/$id/$tab', params: { id: row.id, tab: 'overview' } });
    else return;
    event.preventDefault();
  };
  return (
    <div
      className={`panel ${classes.grid}`}
      role="grid"
      aria-label="Datasources"
      aria-rowcount={total + 1}
      ref={scroller}
      style={{ height: rows.length * HEIGHT + HEAD }}
      onKeyDown={onKeyDown}
    >
      <div role="row" className={`${classes.row} ${classes.head}`} aria-rowindex={1}>
        {COLUMNS.map((column) => (
          <div key={column} role="columnheader">
            {column}
          </div>
        ))}
      </div>
      <div role="presentation" style={{ height: virtual.getTotalSize(), position: 'relative' }}>
        {items.map(({ index, key, start }) => {
          const row = rows[index];
          return (
            row && (
              <div
                key={key}
                role="row"
                aria-rowindex={index + 2}
                data-index={index}
                tabIndex={index === Math.min(current, rows.length - 1) ? 0 : -1}
                onFocus={() => setCurrent(index)}
                className={`${classes.row} ${classes.body}`}
                style={{ transform: `translateY(${start}px)`, height: HEIGHT }}
              >
                <Cells row={row} />
              </div>
            )
          );
        })}
      </div>
    </div>
  );
}

function Cells({ row }: { row: Row }) {
  const { state } = row;
  return (
    <>
      <div role="gridcell" className={classes.name}>
        <Link
          to="/catalog/$id/$tab"
          params={{ id: row.id, tab: 'overview' }}
          tabIndex={-1}
          className={classes.link}
        >
          {row.name}
        </Link>
        <Text size="xs" c="dimmed" truncate>
          {[row.description, ...row.tags.map((tag) => `#${tag}`)].filter(Boolean).join('  ')}
        </Text>
      </div>
      <div role="gridcell">
        <Health status={row.status} worker={state?.workerStatus} archived={row.archivedAt !== null} />
        {state?.errorMessage && (
          <Tooltip label={state.errorMessage} multiline maw={380}>
            <Text size="xs" c="var(--studio-bad)" truncate>
              {state.errorMessage}
            </Text>
          </Tooltip>
        )}
      </div>
      <div role="gridcell">
        <Text size="sm">{row.type}</Text>
      </div>
      <div role="gridcell" className="nums">
        {state?.desired === 'RUNNING' ? rate(state.metrics.rate) : '–'}
      </div>
      <div role="gridcell" className="nums">
        {count(state?.metrics.delivered ?? 0)}
      </div>
      <div role="gridcell">
        <Ago at={state?.lastRecordAt} size="sm" />
      </div>
      <div role="gridcell">
        <Text size="sm" truncate>
          {row.owner}
        </Text>
      </div>
      <div role="gridcell" className="nums">
        {row.currentVersion ? `v${row.currentVersion.version}` : '–'}
      </div>
    </>
  );
}
