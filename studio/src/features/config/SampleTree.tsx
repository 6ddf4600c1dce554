import { Text, Tooltip } from '@mantine/core';
import { useState } from 'react';
import { pathOf, withinRecord, type Segment } from './mapping';
import classes from './config.module.css';

interface Props {
  value: unknown;
  input: string;
  /** Places that are mapped already, as paths within a record. */
  mapped: Set<string>;
  onPick?: (within: Segment[]) => void;
  onEach?: (input: string) => void;
}

const SHOWN = 12;

/** A payload as a tree: a click on a value maps it, one on a list makes each item a record. */
export function SampleTree(props: Props) {
  return (
    <ul className={classes.tree} aria-label="Sample payload">
      <Branch {...props} at={[]} name={null} node={props.value} />
    </ul>
  );
}

interface BranchProps extends Props {
  at: Segment[];
  name: Segment | null;
  node: unknown;
}

function Branch(props: BranchProps) {
  const { at, name, node, input, onEach } = props;
  const [all, setAll] = useState(false);
  const [open, setOpen] = useState(at.length < 4);
  if (typeof node !== 'object' || node === null) return <Leaf {...props} />;
  const isList = Array.isArray(node);
  const entries: [Segment, unknown][] = isList
    ? node.map((each, index) => [index, each])
    : Object.entries(node);
  const each = pathOf([...at, '*']);
  const shown = all ? entries : entries.slice(0, isList ? 3 : SHOWN);
  return (
    <li>
      <button type="button" className={classes.fold} aria-expanded={open} onClick={() => setOpen(!open)}>
        <span aria-hidden>{open ? '▾' : '▸'}</span> <span className={classes.key}>{name ?? 'payload'}</span>{' '}
        <Text span size="xs" c="dimmed">
          {isList ? `list of ${entries.length}` : ''}
        </Text>
      </button>
      {isList && onEach && (
        <button
          type="button"
          className={classes.each}
          aria-pressed={input === each}
          onClick={() => onEach(each)}
        >
          {input === each ? 'each item is a record' : 'make each item a record'}
        </button>
      )}
      {open && (
        <ul className={classes.tree}>
          {shown.map(([key, child]) => (
            <Branch key={key} {...props} at={[...at, key]} name={key} node={child} />
          ))}
          {shown.length < entries.length && (
            <li>
              <button type="button" className={classes.fold} onClick={() => setAll(true)}>
                … {entries.length - shown.length} more
              </button>
            </li>
          )}
        </ul>
      )}
    </li>
  );
}

function Leaf({ at, name, node, input, mapped, onPick }: BranchProps) {
  const within = withinRecord(input, at);
  const path = within && pathOf(within);
  const text = JSON.stringify(node);
  const content = (
    <>
      <span className={classes.key}>{name ?? 'payload'}</span>
      <span className={classes.value}>{text.length > 80 ? `${text.slice(0, 80)}…` : text}</span>
    </>
  );
  if (!onPick || !within) return <li className={classes.leaf}>{content}</li>;
  const done = path !== null && mapped.has(path);
  return (
    <li>
      <Tooltip label={done ? `${path} is mapped` : `Map ${path}`} position="right">
        <button
          type="button"
          className={classes.leaf}
          data-mapped={done || undefined}
          aria-label={done ? `${path} is mapped` : `Map ${path}`}
          onClick={() => onPick(within)}
        >
          {content}
        </button>
      </Tooltip>
    </li>
  );
}
