import { Loader, Text } from '@mantine/core';
import { ErrorView } from '../../components/ErrorView';
import { ConnectorIcon } from '../connectors/ConnectorIcon';
import { useConnectorTypes } from '../connectors/queries';
import classes from '../config/config.module.css';

/** The webhook first: it is the shortest way to a record. */
const FIRST = ['webhook', 'http_poller'];

export function PickConnector({ onPick }: { onPick: (name: string) => void }) {
  const types = useConnectorTypes();
  if (types.error) return <ErrorView error={types.error} retry={() => void types.refetch()} />;
  if (!types.data) return <Loader aria-label="Loading" />;
  const rank = (name: string) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
  const sorted = [...types.data].sort(
    (a, b) => rank(a.name) - rank(b.name) || a.title.localeCompare(b.title),
  );
  return (
    <>
      <Text>Where do the records come from?</Text>
      <div className={classes.cards}>
        {sorted.map(({ name, title, description }) => (
          <button key={name} type="button" className={`panel ${classes.card}`} onClick={() => onPick(name)}>
            <ConnectorIcon name={name} />
            <Text fw={600} mt={8}>
              {title}
            </Text>
            <Text size="sm" c="dimmed">
              {description}
            </Text>
          </button>
        ))}
      </div>
    </>
  );
}
