import { Alert, Button, Group, Text } from '@mantine/core';
import { IconGitMerge } from '@tabler/icons-react';
import { TextDiff } from '../../components/CodeEditor';
import { CopyIcon } from '../../components/copy';
import { pretty } from '../../components/format';
import type { Config } from '../config/SourceForm';
import type { Detail } from './queries';

interface Props {
  mine: Config;
  base: { version: number | null };
  theirs: Detail;
  onTakeTheirs: () => void;
  onSaveMine: () => void;
}

/** Two people edited one datasource: both texts are shown, and neither is lost. */
export function Conflict({ mine, base, theirs, onTakeTheirs, onSaveMine }: Props) {
  const latest = theirs.latestVersion;
  return (
    <Alert
      role="alert"
      variant="default"
      icon={<IconGitMerge color="var(--studio-warn)" />}
      title={`${theirs.updatedBy} changed this datasource while you were editing`}
    >
      <Text size="sm" mb="xs">
        {latest && latest.version !== base.version
          ? `Version ${latest.version} by ${latest.createdBy} is newer than what you began with. On the left is theirs, on the right is yours; nothing is lost: either stays in the history.`
          : 'Its description, its state or what is published changed; the configuration did not. You can save yours.'}
      </Text>
      {latest && latest.version !== base.version && (
        <TextDiff label="Conflict" before={pretty(latest.config)} after={pretty(mine)} />
      )}
      <Group mt="sm" gap="xs">
        <Button size="sm" onClick={onSaveMine}>
          Save mine as the next draft
        </Button>
        <Button size="sm" variant="default" onClick={onTakeTheirs}>
          Drop mine and take theirs
        </Button>
        <CopyIcon value={pretty(mine)} label="Copy mine" />
      </Group>
    </Alert>
  );
}
