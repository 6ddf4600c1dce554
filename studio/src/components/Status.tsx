import { Group, Text } from '@mantine/core';
import type { DatasourceStatus, JobStatus, WorkerStatus } from '../api/generated/graphql';

export type Tone = 'good' | 'warn' | 'bad' | 'idle';

/** A dot and a word: the colour says it once more, never alone. */
export function Dot({ tone, label, size = 'sm' }: { tone: Tone; label: string; size?: 'xs' | 'sm' }) {
  return (
    <Group gap={7} wrap="nowrap" component="span">
      <span
        aria-hidden
        style={{ width: 8, height: 8, borderRadius: 4, flexShrink: 0, background: `var(--studio-${tone})` }}
      />
      <Text span size={size} style={{ whiteSpace: 'nowrap' }}>
        {label}
      </Text>
    </Group>
  );
}

const WORKER: Record<WorkerStatus, [Tone, string]> = {
  RUNNING: ['good', 'Running'],
  STARTING: ['warn', 'Starting'],
  BACKING_OFF: ['warn', 'Retrying'],
  ERROR: ['bad', 'Failed'],
  STOPPED: ['idle', 'Stopped'],
};

const JOB: Record<JobStatus, [Tone, string]> = {
  QUEUED: ['idle', 'Queued'],
  RUNNING: ['warn', 'Running'],
  SUCCEEDED: ['good', 'Done'],
  FAILED: ['bad', 'Failed'],
  CANCELLED: ['idle', 'Cancelled'],
};

export const STATUS_LABEL: Record<DatasourceStatus, string> = {
  ACTIVE: 'Active',
  ERROR: 'Error',
  DISABLED: 'Disabled',
  DRAFT: 'Draft',
};

interface HealthProps {
  status: DatasourceStatus;
  worker?: WorkerStatus | null;
  archived?: boolean;
}

/** How a datasource is, in one word: its worker where it should run, else what people decided. */
export function Health({ status, worker, archived }: HealthProps) {
  if (archived) return <Dot tone="idle" label="Archived" />;
  if (status === 'DRAFT') return <Dot tone="idle" label="Draft" />;
  if (status === 'DISABLED' || !worker) return <Dot tone="idle" label={STATUS_LABEL[status]} />;
  const [tone, label] = WORKER[worker];
  return <Dot tone={tone} label={label} />;
}

export function WorkerState({ worker }: { worker: WorkerStatus }) {
  const [tone, label] = WORKER[worker];
  return <Dot tone={tone} label={label} />;
}

export function JobState({ status }: { status: JobStatus }) {
  const [tone, label] = JOB[status];
  return <Dot tone={tone} label={label} />;
}
