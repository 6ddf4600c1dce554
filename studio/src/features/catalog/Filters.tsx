import { Chip, CloseButton, Group, NativeSelect, TextInput } from '@mantine/core';
import { useDebouncedCallback, useHotkeys } from '@mantine/hooks';
import { IconSearch } from '@tabler/icons-react';
import { useRef, useState } from 'react';
import { useConnectorTypes } from '../connectors/queries';
import { STATUS_LABEL } from '../../components/Status';
import { SORTS, STATUSES, type CatalogSearch, type Sort } from './search';
import classes from './catalog.module.css';

interface Props {
  search: CatalogSearch;
  change: (change: Partial<CatalogSearch>) => void;
}

export function Filters({ search, change }: Props) {
  const types = useConnectorTypes();
  const field = useRef<HTMLInputElement>(null);
  useHotkeys([['/', () => field.current?.focus()]]);
  return (
    <Group gap="xs" role="search" aria-label="Datasources">
      <Typed
        ref={field}
        label="Search"
        placeholder="Search ( / )"
        icon
        value={search.q}
        onChange={(q) => change({ q })}
      />
      <Chip.Group
        multiple
        value={search.status ?? []}
        onChange={(status) => change({ status: STATUSES.filter((each) => status.includes(each)) })}
      >
        <Group gap={6} role="group" aria-label="Status">
          {STATUSES.map((status) => (
            <Chip key={status} value={status} size="xs" radius="sm" variant="outline">
              {STATUS_LABEL[status]}
            </Chip>
          ))}
        </Group>
      </Chip.Group>
      <Chip
        size="xs"
        radius="sm"
        variant="outline"
        checked={search.archived ?? false}
        onChange={(archived) => change({ archived: archived || undefined })}
      >
        Archived
      </Chip>
      <NativeSelect
        aria-label="Type"
        size="sm"
        className={classes.select}
        value={search.type ?? ''}
        onChange={(event) => change({ type: event.currentTarget.value || undefined })}
        data={[
          { value: '', label: 'Every type' },
          ...(types.data ?? []).map(({ name, title }) => ({ value: name, label: title })),
        ]}
      />
      <Typed label="Owner" placeholder="Owner" value={search.owner} onChange={(owner) => change({ owner })} />
      <Typed label="Tag" placeholder="Tag" value={search.tag} onChange={(tag) => change({ tag })} />
      <NativeSelect
        aria-label="Order"
        size="sm"
        className={classes.select}
        value={search.sort ?? 'newest'}
        onChange={(event) => change({ sort: event.currentTarget.value as Sort })}
        data={Object.entries(SORTS).map(([value, label]) => ({ value, label }))}
      />
    </Group>
  );
}

interface TypedProps {
  label: string;
  placeholder: string;
  value?: string;
  onChange: (value: string | undefined) => void;
  icon?: boolean;
  ref?: React.Ref<HTMLInputElement>;
}

/** Follows the address, and changes it when the typing pauses. */
function Typed({ label, placeholder, value, onChange, icon, ref }: TypedProps) {
  const [text, setText] = useState(value ?? '');
  const settle = useDebouncedCallback((next: string) => onChange(next || undefined), 250);
  const [followed, setFollowed] = useState(value);
  if (followed !== value) {
    setFollowed(value);
    setText(value ?? '');
  }
  const type = (next: string) => {
    setText(next);
    settle(next);
  };
  return (
    <TextInput
      ref={ref}
      aria-label={label}
      placeholder={placeholder}
      size="sm"
      className={icon ? classes.search : classes.small}
      leftSection={icon ? <IconSearch size={16} aria-hidden /> : undefined}
      rightSection={
        text ? <CloseButton size="sm" aria-label={`Clear ${label}`} onClick={() => type('')} /> : undefined
      }
      value={text}
      onChange={(event) => type(event.currentTarget.value)}
    />
  );
}
