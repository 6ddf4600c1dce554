/* eslint-disable */
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { DocumentTypeDecoration } from '@graphql-typed-document-node/core';
/** Whether a second person agreed. */
export type ApprovalState =
  /** Somebody agreed. */
  | 'APPROVED'
  /** No policy asks for it, or nobody was asked yet. */
  | 'NOT_REQUIRED'
  /** Waits for a decision. */
  | 'PENDING'
  /** Somebody refused. */
  | 'REJECTED';

/** What to archive. */
export type ArchiveDatasourceInput = {
  /** Refuse with CONFLICT when this is not its revision any more. */
  expectedRevision?: number | null | undefined;
  /** Which one. */
  id: string | number;
  /** Why; for the audit log. */
  reason?: string | null | undefined;
};

/** Narrows the audit log. */
export type AuditFilterInput = {
  /**
   * Of this action, by the name of its event (such as `publish`); for what was refused, of its operation
   * (such as `publishDatasource`).
   */
  action?: string | null | undefined;
  /** By this actor. */
  actor?: string | null | undefined;
  /** About this datasource. */
  datasourceId?: string | number | null | undefined;
  /** That ended so. */
  outcome?: AuditOutcome | null | undefined;
};

/** How an audited attempt ended. */
export type AuditOutcome =
  /** It was allowed and went wrong. */
  | 'FAILED'
  /** It was not allowed. */
  | 'REFUSED'
  /** It was done. */
  | 'SUCCESS';

/** What to read again, and why. */
export type BackfillDatasourceInput = {
  /** The datasource. */
  id: string | number;
  /** The part of its source. */
  range: BackfillRangeInput;
  /** Why; for the audit log. */
  reason?: string | null | undefined;
};

/** The part of a source to read again: of time, cursor, prefix and file exactly one. */
export type BackfillRangeInput = {
  /** A file of JSON Lines, one payload a line, in the organisation's directory under the input directory of the server. */
  file?: string | null | undefined;
  /** From this time on. */
  from?: string | null | undefined;
  /** From this position on. */
  fromCursor?: string | null | undefined;
  /** What begins so. */
  prefix?: string | null | undefined;
  /** Up to this time, without it. */
  to?: string | null | undefined;
  /** Up to this position, with it. */
  toCursor?: string | null | undefined;
};

/** Names a job. */
export type CancelJobInput = {
  /** Which one. */
  id: string | number;
  /** Why; for the audit log. */
  reason?: string | null | undefined;
};

/** Which version to look at the source with. */
export type CheckDatasourceInput = {
  /** The datasource. */
  id: string | number;
  /** The version. Absent: the latest one. With secrets, only an admin may check what is not published. */
  version?: number | null | undefined;
};

/** A new datasource. */
export type CreateDatasourceInput = {
  /** Its category. */
  category?: string | null | undefined;
  /** What to say of version 1. */
  comment?: string | null | undefined;
  /** A configuration; present, it becomes version 1, a draft. */
  config?: unknown;
  /** What it is for. */
  description?: string | null | undefined;
  /** What people say of it. Absent: DRAFT. */
  lifecycle?: Lifecycle | null | undefined;
  /** Unique in the project. */
  name: string;
  /** Absent: the caller. */
  owner?: string | null | undefined;
  /** Absent: the default project of the token. */
  project?: string | null | undefined;
  /** A limit besides that of the configuration; the smaller of both holds. */
  rateLimit?: RateLimitInput | null | undefined;
  /** What consumers may expect. */
  sla?: SlaInput | null | undefined;
  /** Its tags. */
  tags?: Array<string> | null | undefined;
  /** The team that it belongs to. */
  team?: string | null | undefined;
  /** A template that makes the configuration, in the place of one. */
  template?: UseTemplateInput | null | undefined;
  /** The connector type, see `connectorTypes`. */
  type: string;
  /** Who sees it, besides its owner and its admins. Absent: everybody within whose reach it is. */
  visibility?: VisibilityInput | null | undefined;
};

/** A new draft. */
export type CreateDatasourceVersionInput = {
  /** What to say of it. */
  comment?: string | null | undefined;
  /** The configuration document, checked as a whole. */
  config: unknown;
  /** Refuse with CONFLICT when this is not the datasource's revision any more. */
  expectedRevision?: number | null | undefined;
  /** The datasource. */
  id: string | number;
};

/** Names a datasource, and says why. */
export type DatasourceActionInput = {
  /** Refuse with CONFLICT when this is not the datasource's revision any more. */
  expectedRevision?: number | null | undefined;
  /** Which one. */
  id: string | number;
  /** Why; for the audit log. */
  reason?: string | null | undefined;
};

/** Narrows a list of datasources. What is absent does not narrow. */
export type DatasourceFilterInput = {
  /** Only what is archived. Otherwise only what is not. */
  archived?: boolean;
  /** Kept by this channel: `ui`, `api`, or `git:` and the name of a source. */
  managedBy?: string | null | undefined;
  /** Of this owner. */
  owner?: string | null | undefined;
  /** In this project. */
  project?: string | null | undefined;
  /** With all of these words in name, description, owner, team, category, type or tags, whatever the case. */
  search?: string | null | undefined;
  /** In one of these states. */
  status?: Array<DatasourceStatus> | null | undefined;
  /** With this tag. */
  tag?: string | null | undefined;
  /** With all of these tags. */
  tags?: Array<string> | null | undefined;
  /** Of one of these connector types. */
  type?: Array<string> | null | undefined;
};

/** What a list is sorted by. */
export type DatasourceOrderFieldInput =
  /** By the time of creation. */
  | 'CREATED_AT'
  /** By name. */
  | 'NAME'
  /** By the time of the last change. */
  | 'UPDATED_AT';

/** How a list of datasources is sorted. */
export type DatasourceOrderInput = {
  /** Which way. */
  direction?: OrderDirection;
  /** By what. */
  field: DatasourceOrderFieldInput;
};

/** What people see of a datasource at a glance. */
export type DatasourceStatus =
  /** Published and wanted. */
  | 'ACTIVE'
  /** Stopped by somebody. */
  | 'DISABLED'
  /** Never published. */
  | 'DRAFT'
  /** Wanted, but its worker fails. */
  | 'ERROR';

/** Narrows dead letters. What is absent does not narrow. */
export type DeadLetterFilterInput = {
  /** That failed after this time. */
  createdAfter?: string | null | undefined;
  /** That failed before this time. */
  createdBefore?: string | null | undefined;
  /** With one of these error codes. */
  errorCodes?: Array<string> | null | undefined;
  /** Only these, at most 1,000. */
  ids?: Array<string | number> | null | undefined;
  /** That this version failed on last. */
  version?: number | null | undefined;
};

/** What a dead letter holds. */
export type DeadLetterScope =
  /** The document of which all or the rest failed. */
  | 'DOCUMENT'
  /** The record that failed. */
  | 'RECORD';

/** A secret to forget. */
export type DeleteDatasourceSecretInput = {
  /** Also when the published version runs with it: its next start will fail. */
  force?: boolean;
  /** The datasource. */
  id: string | number;
  /** Its key. */
  key: string;
  /** Why; for the audit log. */
  reason?: string | null | undefined;
};

/** What people want of a worker. */
export type DesiredState =
  /** It should run. */
  | 'RUNNING'
  /** It should not run. */
  | 'STOPPED';

/** What became of one place of a document. */
export type DiffOp =
  /** It is new. */
  | 'ADD'
  /** It is gone. */
  | 'REMOVE'
  /** It has another value. */
  | 'REPLACE';

/** Which dead letters of a datasource to forget, and why. */
export type DiscardDeadLettersInput = {
  /** Which of its dead letters. Absent: all. */
  filter?: DeadLetterFilterInput | null | undefined;
  /** The datasource. */
  id: string | number;
  /** Why; for the audit log. */
  reason?: string | null | undefined;
};

/** Another payload for a dead letter. */
export type EditDeadLetterInput = {
  /** The dead letter. */
  id: string | number;
  /** The record or document from now on. */
  payload: unknown;
  /** Why; for the audit log. */
  reason?: string | null | undefined;
};

/** An entry kind on the timeline. */
export type EventType =
  /** Nobody acted on a request in time. */
  | 'APPROVAL_EXPIRED'
  /** Somebody agreed to a request. */
  | 'APPROVAL_GRANTED'
  /** Somebody refused a request. */
  | 'APPROVAL_REJECTED'
  /** Somebody asked for a second person. */
  | 'APPROVAL_REQUESTED'
  /** What a request was about has changed; the payload says what. */
  | 'APPROVAL_VOIDED'
  /** A request was taken back. */
  | 'APPROVAL_WITHDRAWN'
  /** It was archived. */
  | 'ARCHIVED'
  /** A backfill was asked for. */
  | 'BACKFILL'
  /** A backfill ended; the payload says how. */
  | 'BACKFILL_ENDED'
  /** It was created as a copy of another. */
  | 'CLONED'
  /** A datasource was created. */
  | 'CREATED'
  /** Dead letters were discarded. */
  | 'DEAD_LETTERS_DISCARDED'
  /** A replay of dead letters was asked for. */
  | 'DEAD_LETTERS_REPLAYED'
  /** The payload of a dead letter was edited. */
  | 'DEAD_LETTER_EDITED'
  /** Not an event: a gap in a feed, whose events are no longer kept. The payload says from where to where. */
  | 'DROPPED'
  /** Somebody ended a job. */
  | 'JOB_CANCELLED'
  /** The log level of the worker was raised for some time. */
  | 'LOG_LEVEL_SET'
  /** Its governance metadata was changed, or brought back. */
  | 'METADATA_UPDATED'
  /** A version went live. */
  | 'PUBLISHED'
  /** The worker runs again after a failure. */
  | 'RECOVERED'
  /** Another worker took the place of the one that ran. The payload says which, and how the old one ended. */
  | 'RELOADED'
  /** A replay ended; the payload says how. */
  | 'REPLAY_ENDED'
  /** Somebody asked for a fresh worker. */
  | 'RESTARTED'
  /** It was brought back from the archive. */
  | 'RESTORED'
  /** An earlier version went live again. */
  | 'ROLLED_BACK'
  /** The published version runs with newer secret values. */
  | 'SECRETS_REPINNED'
  /** A secret was deleted. */
  | 'SECRET_DELETED'
  /** A secret got a value. */
  | 'SECRET_SET'
  /** Its source was checked for being reachable. */
  | 'SOURCE_CHECKED'
  /** Somebody started it. */
  | 'STARTED'
  /** Somebody stopped it. */
  | 'STOPPED'
  /** A configuration was tested. */
  | 'TEST_RUN'
  /** Its name or description was edited. */
  | 'UPDATED'
  /** A draft was created. */
  | 'VERSION_CREATED'
  /** The worker failed. */
  | 'WORKER_ERROR';

/** What a job does. */
export type JobKind =
  /** Reads a part of the source again. */
  | 'BACKFILL'
  /** Delivers dead letters again. */
  | 'REPLAY';

/** Where a job is in its life. */
export type JobStatus =
  /** Somebody ended it. */
  | 'CANCELLED'
  /** It gave up; the error says why. */
  | 'FAILED'
  /** Waits for a node, or for its next try. */
  | 'QUEUED'
  /** A node works on it. */
  | 'RUNNING'
  /** All is done. */
  | 'SUCCEEDED';

/** What people say of a datasource; what runs does not follow it. */
export type Lifecycle =
  /** Still there, but not for new consumers. */
  | 'DEPRECATED'
  /** Not meant for consumers yet. */
  | 'DRAFT'
  /** For consumers. */
  | 'PUBLISHED'
  /** For nobody any more. */
  | 'RETIRED';

/** How much a log line matters; each level includes those before it. */
export type LogLevel =
  /** Each record. */
  | 'DEBUG'
  /** Something does not work. */
  | 'ERROR'
  /** What a person may want to know. */
  | 'INFO'
  /** Something may stop working, or was tried again. */
  | 'WARN';

/** Which way a list is sorted. */
export type OrderDirection =
  /** Smallest, or oldest, first. */
  | 'ASC'
  /** Greatest, or newest, first. */
  | 'DESC';

/** What goes live. */
export type PublishDatasourceInput = {
  /** Why; for the timeline and the audit log. */
  comment?: string | null | undefined;
  /** Refuse with CONFLICT when this is not the datasource's revision any more. */
  expectedRevision?: number | null | undefined;
  /** The datasource. */
  id: string | number;
  /** Absent: the latest version. */
  version?: number | null | undefined;
};

/** A limit besides that of the configuration; the smaller of both holds. */
export type RateLimitInput = {
  /** Records a second, on one node: 1 to 1000000. */
  recordsPerSecond: number;
};

/** Which dead letters of a datasource to deliver again, and why. */
export type ReplayDeadLettersInput = {
  /** Which of its dead letters. Absent: all. */
  filter?: DeadLetterFilterInput | null | undefined;
  /** The datasource. */
  id: string | number;
  /** Why; for the audit log. */
  reason?: string | null | undefined;
};

/** What a caller may do; each role may do all that the one before it may. */
export type Role =
  /** Also publishes, rolls back, archives, and manages secrets and the audit log. */
  | 'ADMIN'
  /** Also drafts, tests, starts, stops and restarts. */
  | 'OPERATOR'
  /** Reads the catalog, versions, state, metrics, events and test results. */
  | 'VIEWER';

/** What goes live again. */
export type RollbackDatasourceInput = {
  /** Why; for the timeline and the audit log. */
  comment?: string | null | undefined;
  /** Refuse with CONFLICT when this is not the datasource's revision any more. */
  expectedRevision?: number | null | undefined;
  /** The datasource. */
  id: string | number;
  /** Run with the secrets as they are today, not with those that the version was published with. */
  repinSecrets?: boolean;
  /** Absent: what was published before the current version. */
  targetVersion?: number | null | undefined;
};

/** How much a datasource logs, and for how long. */
export type SetDatasourceLogLevelInput = {
  /** For how long, such as 10m; at most 24h. */
  duration?: string;
  /** The datasource. */
  id: string | number;
  /** The level from now on. */
  level: LogLevel;
  /** Why; for the audit log. */
  reason?: string | null | undefined;
};

/** A value for a secret. */
export type SetDatasourceSecretInput = {
  /** The datasource. */
  id: string | number;
  /** The key that configurations name. */
  key: string;
  /** Why; for the audit log. */
  reason?: string | null | undefined;
  /**
   * Where the value is kept instead: `vault://path#field` or `env://NAME`, as far as this server allows it.
   * It is fetched whenever a worker starts.
   */
  reference?: string | null | undefined;
  /** Also let the published version run with it, at once. Otherwise that version keeps the value that it was published with. */
  repin?: boolean;
  /** Where a policy asks for approval: the value waits, and counts as soon as somebody else agrees. */
  requestApproval?: boolean;
  /** The value; it can never be read back. Either this or `reference`. */
  value?: string | null | undefined;
};

/** What consumers may expect from now on. What is absent stays; null clears. */
export type SlaInput = {
  /** The part of the time in which it is available, in percent. */
  availabilityPercent?: number | null | undefined;
  /** How long a record is under way at most, in seconds. */
  maxLagSeconds?: number | null | undefined;
  /** How it is supported, in the words of the organisation. */
  supportTier?: string | null | undefined;
};

/** What to test, and on what. */
export type TestDatasourceInput = {
  /** A configuration to test in place of a stored version. */
  configOverride?: unknown;
  /** Fetch one sample from the source, without moving its checkpoint. With secrets, only an admin may fetch by what is not published. */
  fetch?: boolean;
  /** The datasource. */
  id: string | number;
  /** The payload, as JSON. A string is taken as the raw payload. */
  payload?: unknown;
  /** Use the stored sample of this name. */
  sample?: string | null | undefined;
  /** Keep the payload as a sample of this name. */
  saveSampleAs?: string | null | undefined;
  /** The version. Absent: the latest one. */
  version?: number | null | undefined;
};

/** Changes to a datasource. What is absent stays; null clears. */
export type UpdateDatasourceInput = {
  /** A new category. */
  category?: string | null | undefined;
  /** A new description. */
  description?: string | null | undefined;
  /** Refuse with CONFLICT when this is not its revision any more. */
  expectedRevision?: number | null | undefined;
  /** Which one. */
  id: string | number;
  /** What people say of it from now on. */
  lifecycle?: Lifecycle | null | undefined;
  /** A new name. */
  name?: string | null | undefined;
  /** A new owner. */
  owner?: string | null | undefined;
  /** A limit besides that of the configuration; null removes it. */
  rateLimit?: RateLimitInput | null | undefined;
  /** Why; for the audit log. */
  reason?: string | null | undefined;
  /** What consumers may expect from now on; null is nothing. */
  sla?: SlaInput | null | undefined;
  /** The tags from now on, all of them. */
  tags?: Array<string> | null | undefined;
  /** A new team. */
  team?: string | null | undefined;
  /** Who sees it from now on, besides its owner and its admins; null is everybody within whose reach it is. */
  visibility?: VisibilityInput | null | undefined;
};

/** A mapping template, and its parameters. */
export type UseMappingInput = {
  /** The mapping template. Absent: the one that the connector template names. */
  name?: string | null | undefined;
  /** An object: the name of each parameter, and its value. Defaults may be left out. */
  parameters?: unknown;
  /** Absent: as it is now. */
  version?: number | null | undefined;
};

/** A template to create a datasource from. */
export type UseTemplateInput = {
  /** A mapping template for the section `mapping`. */
  mapping?: UseMappingInput | null | undefined;
  /** The connector template. */
  name: string;
  /** An object: the name of each parameter, and its value. Defaults may be left out. */
  parameters?: unknown;
  /** Absent: as it is now. */
  version?: number | null | undefined;
};

/** Where a version is in its life. */
export type VersionState =
  /** Was published before; a rollback can bring it back. */
  | 'ARCHIVED'
  /** Not published yet. */
  | 'DRAFT'
  /** The one that runs. */
  | 'PUBLISHED';

/** Who is to see a datasource. What is absent stays; null is nobody of that kind. */
export type VisibilityInput = {
  /** The communities from now on, all of them; at most 100. */
  communities?: Array<string> | null | undefined;
  /** The groups from now on, all of them; at most 100. */
  groups?: Array<string> | null | undefined;
};

/** What the registry last saw of a worker. */
export type WorkerStatus =
  /** Failed, and waiting for its next try. */
  | 'BACKING_OFF'
  /** Failed in a way that no retry mends: change the configuration or a secret, or restart it. */
  | 'ERROR'
  /** Reading, or ready to be called. */
  | 'RUNNING'
  /** Connecting. */
  | 'STARTING'
  /** Not running, as wanted. */
  | 'STOPPED';

export type RowFieldsFragment = { id: string, name: string, type: string, description: string, status: DatasourceStatus, owner: string, tags: Array<string>, revision: number, archivedAt: string | null, updatedAt: string, currentVersion: { version: number } | null, state: { datasourceId: string, desired: DesiredState, workerStatus: WorkerStatus, runningVersion: number | null, node: string | null, restartCount: number, lastHeartbeatAt: string | null, lastRecordAt: string | null, errorCode: string | null, errorMessage: string | null, checkpoint: unknown, metrics: { delivered: number, failed: number, skipped: number, rate: number, latency: number } } | null };

export type StateFieldsFragment = { datasourceId: string, desired: DesiredState, workerStatus: WorkerStatus, runningVersion: number | null, node: string | null, restartCount: number, lastHeartbeatAt: string | null, lastRecordAt: string | null, errorCode: string | null, errorMessage: string | null, checkpoint: unknown, metrics: { delivered: number, failed: number, skipped: number, rate: number, latency: number } };

export type VersionFieldsFragment = { id: string, version: number, state: VersionState, approval: ApprovalState, comment: string | null, config: unknown, checksum: string, createdAt: string, createdBy: string, publishedAt: string | null, publishedBy: string | null, secretPins: Array<{ key: string, version: number }> };

export type DetailFieldsFragment = { org: string, project: string, team: string | null, category: string | null, managedBy: string, createdAt: string, createdBy: string, updatedBy: string, webhookPath: string | null, id: string, name: string, type: string, description: string, status: DatasourceStatus, owner: string, tags: Array<string>, revision: number, archivedAt: string | null, updatedAt: string, currentVersion: { version: number, id: string, state: VersionState, approval: ApprovalState, comment: string | null, config: unknown, checksum: string, createdAt: string, createdBy: string, publishedAt: string | null, publishedBy: string | null, secretPins: Array<{ key: string, version: number }> } | null, latestVersion: { id: string, version: number, state: VersionState, approval: ApprovalState, comment: string | null, config: unknown, checksum: string, createdAt: string, createdBy: string, publishedAt: string | null, publishedBy: string | null, secretPins: Array<{ key: string, version: number }> } | null, secrets: Array<{ key: string, version: number, createdAt: string, createdBy: string, rotatedAt: string | null, rotatedBy: string | null }>, state: { datasourceId: string, desired: DesiredState, workerStatus: WorkerStatus, runningVersion: number | null, node: string | null, restartCount: number, lastHeartbeatAt: string | null, lastRecordAt: string | null, errorCode: string | null, errorMessage: string | null, checkpoint: unknown, metrics: { delivered: number, failed: number, skipped: number, rate: number, latency: number } } | null };

export type ViewerQueryVariables = Exact<{ [key: string]: never; }>;


export type ViewerQuery = { viewer: { subject: string, org: string, role: Role, projects: Array<string> | null, permissions: Array<string>, expiresAt: string | null } };

export type AuditQueryVariables = Exact<{
  filter?: AuditFilterInput | null | undefined;
  after?: string | null | undefined;
}>;


export type AuditQuery = { auditLog: { nodes: Array<{ id: string, action: string, actor: string, createdAt: string, datasourceId: string | null, field: string | null, oldValue: unknown, newValue: unknown, outcome: AuditOutcome, reason: string | null, requestId: string, sourceAddress: string | null, hash: string }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } };

export type CatalogQueryVariables = Exact<{
  filter?: DatasourceFilterInput | null | undefined;
  orderBy?: DatasourceOrderInput | null | undefined;
  after?: string | null | undefined;
}>;


export type CatalogQuery = { datasources: { totalCount: number, nodes: Array<{ id: string, name: string, type: string, description: string, status: DatasourceStatus, owner: string, tags: Array<string>, revision: number, archivedAt: string | null, updatedAt: string, currentVersion: { version: number } | null, state: { datasourceId: string, desired: DesiredState, workerStatus: WorkerStatus, runningVersion: number | null, node: string | null, restartCount: number, lastHeartbeatAt: string | null, lastRecordAt: string | null, errorCode: string | null, errorMessage: string | null, checkpoint: unknown, metrics: { delivered: number, failed: number, skipped: number, rate: number, latency: number } } | null }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } };

export type CatalogStatesSubscriptionVariables = Exact<{
  ids: Array<string | number> | string | number;
}>;


export type CatalogStatesSubscription = { datasourceStates: { datasourceId: string, desired: DesiredState, workerStatus: WorkerStatus, runningVersion: number | null, node: string | null, restartCount: number, lastHeartbeatAt: string | null, lastRecordAt: string | null, errorCode: string | null, errorMessage: string | null, checkpoint: unknown, metrics: { delivered: number, failed: number, skipped: number, rate: number, latency: number } } };

export type CatalogChangesSubscriptionVariables = Exact<{
  types?: Array<EventType> | EventType | null | undefined;
}>;


export type CatalogChangesSubscription = { datasourceEvents: { id: string, eventType: EventType } };

export type SamplesQueryVariables = Exact<{
  id: string | number;
}>;


export type SamplesQuery = { datasourceSamples: Array<{ name: string, payload: string, createdAt: string }> };

export type TestMutationVariables = Exact<{
  input: TestDatasourceInput;
}>;


export type TestMutation = { testDatasource: { run: { success: boolean, durationMs: number, warnings: Array<string>, logs: Array<string>, payload: string | null, outputs: Array<{ id: string, kind: string, data: unknown }>, errors: Array<{ code: string, message: string, path: string, record: number | null }>, diff: Array<{ op: DiffOp, path: string, old: unknown, new: unknown }> | null } } };

export type ValidateQueryVariables = Exact<{
  type: string;
  config: unknown;
}>;


export type ValidateQuery = { validateConfig: Array<{ pointer: string, message: string }> };

export type SetSecretMutationVariables = Exact<{
  input: SetDatasourceSecretInput;
}>;


export type SetSecretMutation = { setDatasourceSecret: { repinRequired: boolean, secret: { key: string, version: number } } };

export type TypesQueryVariables = Exact<{ [key: string]: never; }>;


export type TypesQuery = { connectorTypes: Array<{ name: string, title: string, description: string, schemaVersion: number, configSchema: unknown, sample: unknown }>, sinkTypes: Array<{ name: string, title: string, description: string, configSchema: unknown }> };

export type CreateMutationVariables = Exact<{
  input: CreateDatasourceInput;
}>;


export type CreateMutation = { createDatasource: { datasource: { id: string } } };

export type StartMutationVariables = Exact<{
  input: DatasourceActionInput;
}>;


export type StartMutation = { startDatasource: { datasource: { id: string } } };

export type StopMutationVariables = Exact<{
  input: DatasourceActionInput;
}>;


export type StopMutation = { stopDatasource: { datasource: { id: string } } };

export type RestartMutationVariables = Exact<{
  input: DatasourceActionInput;
}>;


export type RestartMutation = { restartDatasource: { datasource: { id: string } } };

export type ArchiveMutationVariables = Exact<{
  input: ArchiveDatasourceInput;
}>;


export type ArchiveMutation = { archiveDatasource: { datasource: { id: string } } };

export type RestoreMutationVariables = Exact<{
  input: DatasourceActionInput;
}>;


export type RestoreMutation = { restoreDatasource: { datasource: { id: string } } };

export type CheckMutationVariables = Exact<{
  input: CheckDatasourceInput;
}>;


export type CheckMutation = { checkDatasource: { success: boolean, version: number, steps: Array<{ name: string, success: boolean, message: string, durationMs: number }> } };

export type DeadLettersQueryVariables = Exact<{
  id: string | number;
  after?: string | null | undefined;
}>;


export type DeadLettersQuery = { deadLetters: { totalCount: number, nodes: Array<{ id: string, errorCode: string, errorMessage: string, errorPath: string, payload: string, scope: DeadLetterScope, version: number, attempts: number, complete: boolean, createdAt: string, editedAt: string | null, editedBy: string | null }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } };

export type ReplayMutationVariables = Exact<{
  input: ReplayDeadLettersInput;
}>;


export type ReplayMutation = { replayDeadLetters: { job: { id: string } } };

export type DiscardMutationVariables = Exact<{
  input: DiscardDeadLettersInput;
}>;


export type DiscardMutation = { discardDeadLetters: { discarded: number } };

export type EventsQueryVariables = Exact<{
  id: string | number;
  after?: string | null | undefined;
  types?: Array<EventType> | EventType | null | undefined;
}>;


export type EventsQuery = { datasourceEvents: { nodes: Array<{ id: string, eventType: EventType, actor: string, version: number | null, payload: unknown, createdAt: string }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } };

export type JobFieldsFragment = { id: string, kind: JobKind, status: JobStatus, version: number, createdAt: string, createdBy: string, errorMessage: string | null, cancelRequested: boolean, progress: { read: number, delivered: number, failed: number, total: number | null, rate: number | null, etaSeconds: number | null } };

export type JobsQueryVariables = Exact<{
  id: string | number;
}>;


export type JobsQuery = { datasourceJobs: { nodes: Array<{ id: string, kind: JobKind, status: JobStatus, version: number, createdAt: string, createdBy: string, errorMessage: string | null, cancelRequested: boolean, progress: { read: number, delivered: number, failed: number, total: number | null, rate: number | null, etaSeconds: number | null } }> } };

export type WatchJobSubscriptionVariables = Exact<{
  id: string | number;
}>;


export type WatchJobSubscription = { datasourceJob: { id: string, kind: JobKind, status: JobStatus, version: number, createdAt: string, createdBy: string, errorMessage: string | null, cancelRequested: boolean, progress: { read: number, delivered: number, failed: number, total: number | null, rate: number | null, etaSeconds: number | null } } };

export type BackfillMutationVariables = Exact<{
  input: BackfillDatasourceInput;
}>;


export type BackfillMutation = { backfillDatasource: { job: { id: string } } };

export type CancelJobMutationVariables = Exact<{
  input: CancelJobInput;
}>;


export type CancelJobMutation = { cancelJob: { job: { id: string } } };

export type EditLetterMutationVariables = Exact<{
  input: EditDeadLetterInput;
}>;


export type EditLetterMutation = { editDeadLetter: { deadLetter: { id: string } } };

export type LogsSubscriptionVariables = Exact<{
  id: string | number;
  level?: LogLevel | null | undefined;
}>;


export type LogsSubscription = { datasourceLogs: { at: string, level: LogLevel, message: string, node: string, version: number | null, recordId: string | null, passed: number } };

export type LogMoreMutationVariables = Exact<{
  input: SetDatasourceLogLevelInput;
}>;


export type LogMoreMutation = { setDatasourceLogLevel: { datasource: { id: string } } };

export type UpdateMutationVariables = Exact<{
  input: UpdateDatasourceInput;
}>;


export type UpdateMutation = { updateDatasource: { datasource: { org: string, project: string, team: string | null, category: string | null, managedBy: string, createdAt: string, createdBy: string, updatedBy: string, webhookPath: string | null, id: string, name: string, type: string, description: string, status: DatasourceStatus, owner: string, tags: Array<string>, revision: number, archivedAt: string | null, updatedAt: string, currentVersion: { version: number, id: string, state: VersionState, approval: ApprovalState, comment: string | null, config: unknown, checksum: string, createdAt: string, createdBy: string, publishedAt: string | null, publishedBy: string | null, secretPins: Array<{ key: string, version: number }> } | null, latestVersion: { id: string, version: number, state: VersionState, approval: ApprovalState, comment: string | null, config: unknown, checksum: string, createdAt: string, createdBy: string, publishedAt: string | null, publishedBy: string | null, secretPins: Array<{ key: string, version: number }> } | null, secrets: Array<{ key: string, version: number, createdAt: string, createdBy: string, rotatedAt: string | null, rotatedBy: string | null }>, state: { datasourceId: string, desired: DesiredState, workerStatus: WorkerStatus, runningVersion: number | null, node: string | null, restartCount: number, lastHeartbeatAt: string | null, lastRecordAt: string | null, errorCode: string | null, errorMessage: string | null, checkpoint: unknown, metrics: { delivered: number, failed: number, skipped: number, rate: number, latency: number } } | null } } };

export type MetadataHistoryQueryVariables = Exact<{
  id: string | number;
}>;


export type MetadataHistoryQuery = { datasourceMetadataAudit: { nodes: Array<{ id: string, actor: string, createdAt: string, field: string | null, oldValue: unknown, newValue: unknown, reason: string | null }> } };

export type MetricsQueryVariables = Exact<{
  id: string | number;
  window: string;
}>;


export type MetricsQuery = { datasourceMetrics: Array<{ name: string, unit: string, value: number, points: Array<{ at: string, value: number }> }> };

export type DiffQueryVariables = Exact<{
  id: string | number;
  from: number;
  to: number;
}>;


export type DiffQuery = { datasourceVersionDiff: { changes: Array<{ op: DiffOp, path: string, old: unknown, new: unknown }> } };

export type RollbackMutationVariables = Exact<{
  input: RollbackDatasourceInput;
}>;


export type RollbackMutation = { rollbackDatasource: { datasource: { id: string } } };

export type DeleteSecretMutationVariables = Exact<{
  input: DeleteDatasourceSecretInput;
}>;


export type DeleteSecretMutation = { deleteDatasourceSecret: { secret: { key: string } } };

export type RepinMutationVariables = Exact<{
  input: DatasourceActionInput;
}>;


export type RepinMutation = { repinDatasourceSecrets: { datasource: { id: string } } };

export type VersionsQueryVariables = Exact<{
  id: string | number;
  after?: string | null | undefined;
}>;


export type VersionsQuery = { datasource: { versions: { nodes: Array<{ id: string, version: number, state: VersionState, approval: ApprovalState, comment: string | null, config: unknown, checksum: string, createdAt: string, createdBy: string, publishedAt: string | null, publishedBy: string | null, secretPins: Array<{ key: string, version: number }> }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } } | null };

export type DatasourceQueryVariables = Exact<{
  id: string | number;
}>;


export type DatasourceQuery = { datasource: { org: string, project: string, team: string | null, category: string | null, managedBy: string, createdAt: string, createdBy: string, updatedBy: string, webhookPath: string | null, id: string, name: string, type: string, description: string, status: DatasourceStatus, owner: string, tags: Array<string>, revision: number, archivedAt: string | null, updatedAt: string, currentVersion: { version: number, id: string, state: VersionState, approval: ApprovalState, comment: string | null, config: unknown, checksum: string, createdAt: string, createdBy: string, publishedAt: string | null, publishedBy: string | null, secretPins: Array<{ key: string, version: number }> } | null, latestVersion: { id: string, version: number, state: VersionState, approval: ApprovalState, comment: string | null, config: unknown, checksum: string, createdAt: string, createdBy: string, publishedAt: string | null, publishedBy: string | null, secretPins: Array<{ key: string, version: number }> } | null, secrets: Array<{ key: string, version: number, createdAt: string, createdBy: string, rotatedAt: string | null, rotatedBy: string | null }>, state: { datasourceId: string, desired: DesiredState, workerStatus: WorkerStatus, runningVersion: number | null, node: string | null, restartCount: number, lastHeartbeatAt: string | null, lastRecordAt: string | null, errorCode: string | null, errorMessage: string | null, checkpoint: unknown, metrics: { delivered: number, failed: number, skipped: number, rate: number, latency: number } } | null } | null };

export type StateSubscriptionVariables = Exact<{
  ids: Array<string | number> | string | number;
}>;


export type StateSubscription = { datasourceStates: { datasourceId: string, desired: DesiredState, workerStatus: WorkerStatus, runningVersion: number | null, node: string | null, restartCount: number, lastHeartbeatAt: string | null, lastRecordAt: string | null, errorCode: string | null, errorMessage: string | null, checkpoint: unknown, metrics: { delivered: number, failed: number, skipped: number, rate: number, latency: number } } };

export type ChangesSubscriptionVariables = Exact<{
  id: string | number;
}>;


export type ChangesSubscription = { datasourceEvents: { id: string, eventType: EventType } };

export type RecordsSubscriptionVariables = Exact<{
  id: string | number;
}>;


export type RecordsSubscription = { datasourceRecords: { id: string, kind: string, data: unknown, version: number, node: string, ingestedAt: string, passed: number } };

export type SaveVersionMutationVariables = Exact<{
  input: CreateDatasourceVersionInput;
}>;


export type SaveVersionMutation = { createDatasourceVersion: { version: { version: number }, datasource: { org: string, project: string, team: string | null, category: string | null, managedBy: string, createdAt: string, createdBy: string, updatedBy: string, webhookPath: string | null, id: string, name: string, type: string, description: string, status: DatasourceStatus, owner: string, tags: Array<string>, revision: number, archivedAt: string | null, updatedAt: string, currentVersion: { version: number, id: string, state: VersionState, approval: ApprovalState, comment: string | null, config: unknown, checksum: string, createdAt: string, createdBy: string, publishedAt: string | null, publishedBy: string | null, secretPins: Array<{ key: string, version: number }> } | null, latestVersion: { id: string, version: number, state: VersionState, approval: ApprovalState, comment: string | null, config: unknown, checksum: string, createdAt: string, createdBy: string, publishedAt: string | null, publishedBy: string | null, secretPins: Array<{ key: string, version: number }> } | null, secrets: Array<{ key: string, version: number, createdAt: string, createdBy: string, rotatedAt: string | null, rotatedBy: string | null }>, state: { datasourceId: string, desired: DesiredState, workerStatus: WorkerStatus, runningVersion: number | null, node: string | null, restartCount: number, lastHeartbeatAt: string | null, lastRecordAt: string | null, errorCode: string | null, errorMessage: string | null, checkpoint: unknown, metrics: { delivered: number, failed: number, skipped: number, rate: number, latency: number } } | null } } };

export type PublishMutationVariables = Exact<{
  input: PublishDatasourceInput;
}>;


export type PublishMutation = { publishDatasource: { datasource: { org: string, project: string, team: string | null, category: string | null, managedBy: string, createdAt: string, createdBy: string, updatedBy: string, webhookPath: string | null, id: string, name: string, type: string, description: string, status: DatasourceStatus, owner: string, tags: Array<string>, revision: number, archivedAt: string | null, updatedAt: string, currentVersion: { version: number, id: string, state: VersionState, approval: ApprovalState, comment: string | null, config: unknown, checksum: string, createdAt: string, createdBy: string, publishedAt: string | null, publishedBy: string | null, secretPins: Array<{ key: string, version: number }> } | null, latestVersion: { id: string, version: number, state: VersionState, approval: ApprovalState, comment: string | null, config: unknown, checksum: string, createdAt: string, createdBy: string, publishedAt: string | null, publishedBy: string | null, secretPins: Array<{ key: string, version: number }> } | null, secrets: Array<{ key: string, version: number, createdAt: string, createdBy: string, rotatedAt: string | null, rotatedBy: string | null }>, state: { datasourceId: string, desired: DesiredState, workerStatus: WorkerStatus, runningVersion: number | null, node: string | null, restartCount: number, lastHeartbeatAt: string | null, lastRecordAt: string | null, errorCode: string | null, errorMessage: string | null, checkpoint: unknown, metrics: { delivered: number, failed: number, skipped: number, rate: number, latency: number } } | null } } };

export type RegistryQueryVariables = Exact<{
  after?: string | null | undefined;
}>;


export type RegistryQuery = { registry: { nodes: Array<{ name: string, role: string, version: string, alive: boolean, workers: number, startedAt: string, lastHeartbeatAt: string }>, workers: { nodes: Array<{ datasourceId: string, slot: number, node: string | null, epoch: number, workerStatus: WorkerStatus, runningVersion: number | null, errorMessage: string | null, leaseUntil: string | null }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } } };

export class TypedDocumentString<TResult, TVariables>
  extends String
  implements DocumentTypeDecoration<TResult, TVariables>
{
  __apiType?: NonNullable<DocumentTypeDecoration<TResult, TVariables>['__apiType']>;
  private value: string;
  public __meta__?: Record<string, any> | undefined;

  constructor(value: string, __meta__?: Record<string, any> | undefined) {
    super(value);
    this.value = value;
    this.__meta__ = __meta__;
  }

  override toString(): string & DocumentTypeDecoration<TResult, TVariables> {
    return this.value;
  }
}
export const StateFieldsFragmentDoc = new TypedDocumentString(`
    fragment StateFields on DatasourceState {
  datasourceId
  desired
  workerStatus
  runningVersion
  node
  restartCount
  lastHeartbeatAt
  lastRecordAt
  errorCode
  errorMessage
  checkpoint
  metrics {
    delivered
    failed
    skipped
    rate
    latency
  }
}
    `, {"fragmentName":"StateFields"}) as unknown as TypedDocumentString<StateFieldsFragment, unknown>;
export const RowFieldsFragmentDoc = new TypedDocumentString(`
    fragment RowFields on Datasource {
  id
  name
  type
  description
  status
  owner
  tags
  revision
  archivedAt
  updatedAt
  currentVersion {
    version
  }
  state {
    ...StateFields
  }
}
    fragment StateFields on DatasourceState {
  datasourceId
  desired
  workerStatus
  runningVersion
  node
  restartCount
  lastHeartbeatAt
  lastRecordAt
  errorCode
  errorMessage
  checkpoint
  metrics {
    delivered
    failed
    skipped
    rate
    latency
  }
}`, {"fragmentName":"RowFields"}) as unknown as TypedDocumentString<RowFieldsFragment, unknown>;
export const VersionFieldsFragmentDoc = new TypedDocumentString(`
    fragment VersionFields on DatasourceVersion {
  id
  version
  state
  approval
  comment
  config
  checksum
  createdAt
  createdBy
  publishedAt
  publishedBy
  secretPins {
    key
    version
  }
}
    `, {"fragmentName":"VersionFields"}) as unknown as TypedDocumentString<VersionFieldsFragment, unknown>;
export const DetailFieldsFragmentDoc = new TypedDocumentString(`
    fragment DetailFields on Datasource {
  ...RowFields
  org
  project
  team
  category
  managedBy
  createdAt
  createdBy
  updatedBy
  webhookPath
  currentVersion {
    ...VersionFields
  }
  latestVersion {
    ...VersionFields
  }
  secrets {
    key
    version
    createdAt
    createdBy
    rotatedAt
    rotatedBy
  }
}
    fragment RowFields on Datasource {
  id
  name
  type
  description
  status
  owner
  tags
  revision
  archivedAt
  updatedAt
  currentVersion {
    version
  }
  state {
    ...StateFields
  }
}
fragment StateFields on DatasourceState {
  datasourceId
  desired
  workerStatus
  runningVersion
  node
  restartCount
  lastHeartbeatAt
  lastRecordAt
  errorCode
  errorMessage
  checkpoint
  metrics {
    delivered
    failed
    skipped
    rate
    latency
  }
}
fragment VersionFields on DatasourceVersion {
  id
  version
  state
  approval
  comment
  config
  checksum
  createdAt
  createdBy
  publishedAt
  publishedBy
  secretPins {
    key
    version
  }
}`, {"fragmentName":"DetailFields"}) as unknown as TypedDocumentString<DetailFieldsFragment, unknown>;
export const JobFieldsFragmentDoc = new TypedDocumentString(`
    fragment JobFields on Job {
  id
  kind
  status
  version
  createdAt
  createdBy
  errorMessage
  cancelRequested
  progress {
    read
    delivered
    failed
    total
    rate
    etaSeconds
  }
}
    `, {"fragmentName":"JobFields"}) as unknown as TypedDocumentString<JobFieldsFragment, unknown>;
export const ViewerDocument = new TypedDocumentString(`
    query Viewer {
  viewer {
    subject
    org
    role
    projects
    permissions
    expiresAt
  }
}
    `, {"hash":"sha256:9e029f04fc53674af682ff4ca0c032e9e0e21a6e8e6ccd573448ced56efbea11"}) as unknown as TypedDocumentString<ViewerQuery, ViewerQueryVariables>;
export const AuditDocument = new TypedDocumentString(`
    query Audit($filter: AuditFilterInput, $after: String) {
  auditLog(filter: $filter, first: 50, after: $after) {
    nodes {
      id
      action
      actor
      createdAt
      datasourceId
      field
      oldValue
      newValue
      outcome
      reason
      requestId
      sourceAddress
      hash
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
    `, {"hash":"sha256:122b1b59ea38f5b6e2f5dcb03f6497b514b9caffd34ad135804e31d1859692f9"}) as unknown as TypedDocumentString<AuditQuery, AuditQueryVariables>;
export const CatalogDocument = new TypedDocumentString(`
    query Catalog($filter: DatasourceFilterInput, $orderBy: DatasourceOrderInput, $after: String) {
  datasources(filter: $filter, orderBy: $orderBy, first: 100, after: $after) {
    totalCount
    nodes {
      ...RowFields
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
    fragment RowFields on Datasource {
  id
  name
  type
  description
  status
  owner
  tags
  revision
  archivedAt
  updatedAt
  currentVersion {
    version
  }
  state {
    ...StateFields
  }
}
fragment StateFields on DatasourceState {
  datasourceId
  desired
  workerStatus
  runningVersion
  node
  restartCount
  lastHeartbeatAt
  lastRecordAt
  errorCode
  errorMessage
  checkpoint
  metrics {
    delivered
    failed
    skipped
    rate
    latency
  }
}`, {"hash":"sha256:341daabc077a8178ff206be4f444e6f939e61fcdc9dd11d98ed19cb1bada2832"}) as unknown as TypedDocumentString<CatalogQuery, CatalogQueryVariables>;
export const CatalogStatesDocument = new TypedDocumentString(`
    subscription CatalogStates($ids: [ID!]!) {
  datasourceStates(ids: $ids) {
    ...StateFields
  }
}
    fragment StateFields on DatasourceState {
  datasourceId
  desired
  workerStatus
  runningVersion
  node
  restartCount
  lastHeartbeatAt
  lastRecordAt
  errorCode
  errorMessage
  checkpoint
  metrics {
    delivered
    failed
    skipped
    rate
    latency
  }
}`, {"hash":"sha256:0cfe1343492ee6e62f67cc23f08512c1102f263a644971e42a36043a41783db1"}) as unknown as TypedDocumentString<CatalogStatesSubscription, CatalogStatesSubscriptionVariables>;
export const CatalogChangesDocument = new TypedDocumentString(`
    subscription CatalogChanges($types: [EventType!]) {
  datasourceEvents(types: $types) {
    id
    eventType
  }
}
    `, {"hash":"sha256:e2b444cd64fe693a96500ab84a909495057052b507afcd4b26e7200ebd472985"}) as unknown as TypedDocumentString<CatalogChangesSubscription, CatalogChangesSubscriptionVariables>;
export const SamplesDocument = new TypedDocumentString(`
    query Samples($id: ID!) {
  datasourceSamples(id: $id) {
    name
    payload
    createdAt
  }
}
    `, {"hash":"sha256:6a600778eb92953bcc6a579cc6018681f17b12620b3b7c60000f27c857c9a2d4"}) as unknown as TypedDocumentString<SamplesQuery, SamplesQueryVariables>;
export const TestDocument = new TypedDocumentString(`
    mutation Test($input: TestDatasourceInput!) {
  testDatasource(input: $input) {
    run {
      success
      durationMs
      outputs {
        id
        kind
        data
      }
      errors {
        code
        message
        path
        record
      }
      warnings
      logs
      payload
      diff {
        op
        path
        old
        new
      }
    }
  }
}
    `, {"hash":"sha256:98e8c17ca3dd1ed118764dbf01bb7b45b097a52f977347df075fc7e97e65a720"}) as unknown as TypedDocumentString<TestMutation, TestMutationVariables>;
export const ValidateDocument = new TypedDocumentString(`
    query Validate($type: String!, $config: JSON!) {
  validateConfig(type: $type, config: $config) {
    pointer
    message
  }
}
    `, {"hash":"sha256:af7162a5a7e1aeeb5dd3778b54daa0a0d81b71417a0cb1be1fb955a08b1a026f"}) as unknown as TypedDocumentString<ValidateQuery, ValidateQueryVariables>;
export const SetSecretDocument = new TypedDocumentString(`
    mutation SetSecret($input: SetDatasourceSecretInput!) {
  setDatasourceSecret(input: $input) {
    repinRequired
    secret {
      key
      version
    }
  }
}
    `, {"hash":"sha256:a7b34d8e47e60e4e0a9168f61432bfd54ad3f763a7130d8c8cbd0578ba34a95b"}) as unknown as TypedDocumentString<SetSecretMutation, SetSecretMutationVariables>;
export const TypesDocument = new TypedDocumentString(`
    query Types {
  connectorTypes {
    name
    title
    description
    schemaVersion
    configSchema
    sample
  }
  sinkTypes {
    name
    title
    description
    configSchema
  }
}
    `, {"hash":"sha256:02d9c6b5c82cb905dea49998bb03799c454295de658ec47d20c5e1591cb3eb39"}) as unknown as TypedDocumentString<TypesQuery, TypesQueryVariables>;
export const CreateDocument = new TypedDocumentString(`
    mutation Create($input: CreateDatasourceInput!) {
  createDatasource(input: $input) {
    datasource {
      id
    }
  }
}
    `, {"hash":"sha256:aa1e84caa7d6a4f5e6037e7c73e0f974835d5c66fe8bdd24185bff0b1cebd95a"}) as unknown as TypedDocumentString<CreateMutation, CreateMutationVariables>;
export const StartDocument = new TypedDocumentString(`
    mutation Start($input: DatasourceActionInput!) {
  startDatasource(input: $input) {
    datasource {
      id
    }
  }
}
    `, {"hash":"sha256:ef0ab1138ac6ede865d00b5441079a775b9fdca03e31ff16af486ece0b6398fe"}) as unknown as TypedDocumentString<StartMutation, StartMutationVariables>;
export const StopDocument = new TypedDocumentString(`
    mutation Stop($input: DatasourceActionInput!) {
  stopDatasource(input: $input) {
    datasource {
      id
    }
  }
}
    `, {"hash":"sha256:cf043850a7dcf648c6c987b9376733764d0ccf02e2301771366ee0ae2e63fc17"}) as unknown as TypedDocumentString<StopMutation, StopMutationVariables>;
export const RestartDocument = new TypedDocumentString(`
    mutation Restart($input: DatasourceActionInput!) {
  restartDatasource(input: $input) {
    datasource {
      id
    }
  }
}
    `, {"hash":"sha256:153eefb39539ff1f867178b1bfd9dd510af7c1cd457408bf4d842f5468d01964"}) as unknown as TypedDocumentString<RestartMutation, RestartMutationVariables>;
export const ArchiveDocument = new TypedDocumentString(`
    mutation Archive($input: ArchiveDatasourceInput!) {
  archiveDatasource(input: $input) {
    datasource {
      id
    }
  }
}
    `, {"hash":"sha256:82b280c61eec6e9fb3e00d88f52491116fe005663f203ffe9d42401bcb1e50bf"}) as unknown as TypedDocumentString<ArchiveMutation, ArchiveMutationVariables>;
export const RestoreDocument = new TypedDocumentString(`
    mutation Restore($input: DatasourceActionInput!) {
  restoreDatasource(input: $input) {
    datasource {
      id
    }
  }
}
    `, {"hash":"sha256:54446e12fcb6b4890101145719f1578f03d86e141a0b0dd5db60697be3b7482d"}) as unknown as TypedDocumentString<RestoreMutation, RestoreMutationVariables>;
export const CheckDocument = new TypedDocumentString(`
    mutation Check($input: CheckDatasourceInput!) {
  checkDatasource(input: $input) {
    success
    version
    steps {
      name
      success
      message
      durationMs
    }
  }
}
    `, {"hash":"sha256:bb8bc603c8f56e16600f4ef266a7cff861b58c9053dbd2c883f353c16cef1574"}) as unknown as TypedDocumentString<CheckMutation, CheckMutationVariables>;
export const DeadLettersDocument = new TypedDocumentString(`
    query DeadLetters($id: ID!, $after: String) {
  deadLetters(id: $id, first: 50, after: $after) {
    totalCount
    nodes {
      id
      errorCode
      errorMessage
      errorPath
      payload
      scope
      version
      attempts
      complete
      createdAt
      editedAt
      editedBy
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
    `, {"hash":"sha256:f9663fefc236b5bae77db756c12509800d1ec0fb305cc80a5e1b04ceb5b8a893"}) as unknown as TypedDocumentString<DeadLettersQuery, DeadLettersQueryVariables>;
export const ReplayDocument = new TypedDocumentString(`
    mutation Replay($input: ReplayDeadLettersInput!) {
  replayDeadLetters(input: $input) {
    job {
      id
    }
  }
}
    `, {"hash":"sha256:5aca7f392112c65f246b44a5c2e8c0364d64c8c729adca4dff5236dc6c9601fc"}) as unknown as TypedDocumentString<ReplayMutation, ReplayMutationVariables>;
export const DiscardDocument = new TypedDocumentString(`
    mutation Discard($input: DiscardDeadLettersInput!) {
  discardDeadLetters(input: $input) {
    discarded
  }
}
    `, {"hash":"sha256:3faa0e71084be6e41c7ea94d49024f0adb8c7aca8986fa8d39377cd226bc24bd"}) as unknown as TypedDocumentString<DiscardMutation, DiscardMutationVariables>;
export const EventsDocument = new TypedDocumentString(`
    query Events($id: ID!, $after: String, $types: [EventType!]) {
  datasourceEvents(id: $id, first: 50, after: $after, types: $types) {
    nodes {
      id
      eventType
      actor
      version
      payload
      createdAt
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
    `, {"hash":"sha256:8d371e2ce33f00294cdd0d00715c5c784f329703e9647c26e661b326a86c7467"}) as unknown as TypedDocumentString<EventsQuery, EventsQueryVariables>;
export const JobsDocument = new TypedDocumentString(`
    query Jobs($id: ID!) {
  datasourceJobs(id: $id, first: 20) {
    nodes {
      ...JobFields
    }
  }
}
    fragment JobFields on Job {
  id
  kind
  status
  version
  createdAt
  createdBy
  errorMessage
  cancelRequested
  progress {
    read
    delivered
    failed
    total
    rate
    etaSeconds
  }
}`, {"hash":"sha256:57fe05a9480ee908e79cf9dfaa7b79c77af9bb9382464a8d2f11a24ce2a0b8e9"}) as unknown as TypedDocumentString<JobsQuery, JobsQueryVariables>;
export const WatchJobDocument = new TypedDocumentString(`
    subscription WatchJob($id: ID!) {
  datasourceJob(id: $id) {
    ...JobFields
  }
}
    fragment JobFields on Job {
  id
  kind
  status
  version
  createdAt
  createdBy
  errorMessage
  cancelRequested
  progress {
    read
    delivered
    failed
    total
    rate
    etaSeconds
  }
}`, {"hash":"sha256:2a02c8b3627a4b91fc149546888b0cde4ce14b8c2266dda8c9545e6f31af2693"}) as unknown as TypedDocumentString<WatchJobSubscription, WatchJobSubscriptionVariables>;
export const BackfillDocument = new TypedDocumentString(`
    mutation Backfill($input: BackfillDatasourceInput!) {
  backfillDatasource(input: $input) {
    job {
      id
    }
  }
}
    `, {"hash":"sha256:d7f0a797b2ad2789c757b86f90166218f162f9fa5f9bd7a5d84ebc23627079b2"}) as unknown as TypedDocumentString<BackfillMutation, BackfillMutationVariables>;
export const CancelJobDocument = new TypedDocumentString(`
    mutation CancelJob($input: CancelJobInput!) {
  cancelJob(input: $input) {
    job {
      id
    }
  }
}
    `, {"hash":"sha256:3a966e818f09b01aba9bb299f15de4f9592c8aca37f715344c654ecbf2fbc111"}) as unknown as TypedDocumentString<CancelJobMutation, CancelJobMutationVariables>;
export const EditLetterDocument = new TypedDocumentString(`
    mutation EditLetter($input: EditDeadLetterInput!) {
  editDeadLetter(input: $input) {
    deadLetter {
      id
    }
  }
}
    `, {"hash":"sha256:81f6082ba1044b33d164c0cbfa320f7edd97c1e75eb114d0c75f2c926336acec"}) as unknown as TypedDocumentString<EditLetterMutation, EditLetterMutationVariables>;
export const LogsDocument = new TypedDocumentString(`
    subscription Logs($id: ID!, $level: LogLevel) {
  datasourceLogs(id: $id, level: $level) {
    at
    level
    message
    node
    version
    recordId
    passed
  }
}
    `, {"hash":"sha256:b47c3746c5f0c46efdea5126d0c3e51044decb2b2763fb8a7221908da23a438e"}) as unknown as TypedDocumentString<LogsSubscription, LogsSubscriptionVariables>;
export const LogMoreDocument = new TypedDocumentString(`
    mutation LogMore($input: SetDatasourceLogLevelInput!) {
  setDatasourceLogLevel(input: $input) {
    datasource {
      id
    }
  }
}
    `, {"hash":"sha256:8d6da89a07d2fe714ca8b4c7340cbf1021b6bba80d802f0efc9ed7afe300d1ef"}) as unknown as TypedDocumentString<LogMoreMutation, LogMoreMutationVariables>;
export const UpdateDocument = new TypedDocumentString(`
    mutation Update($input: UpdateDatasourceInput!) {
  updateDatasource(input: $input) {
    datasource {
      ...DetailFields
    }
  }
}
    fragment RowFields on Datasource {
  id
  name
  type
  description
  status
  owner
  tags
  revision
  archivedAt
  updatedAt
  currentVersion {
    version
  }
  state {
    ...StateFields
  }
}
fragment StateFields on DatasourceState {
  datasourceId
  desired
  workerStatus
  runningVersion
  node
  restartCount
  lastHeartbeatAt
  lastRecordAt
  errorCode
  errorMessage
  checkpoint
  metrics {
    delivered
    failed
    skipped
    rate
    latency
  }
}
fragment VersionFields on DatasourceVersion {
  id
  version
  state
  approval
  comment
  config
  checksum
  createdAt
  createdBy
  publishedAt
  publishedBy
  secretPins {
    key
    version
  }
}
fragment DetailFields on Datasource {
  ...RowFields
  org
  project
  team
  category
  managedBy
  createdAt
  createdBy
  updatedBy
  webhookPath
  currentVersion {
    ...VersionFields
  }
  latestVersion {
    ...VersionFields
  }
  secrets {
    key
    version
    createdAt
    createdBy
    rotatedAt
    rotatedBy
  }
}`, {"hash":"sha256:1fd80c0d8729e473d21f0b8ecb53b53a24523d5741eb38eb83a095e6deba1a76"}) as unknown as TypedDocumentString<UpdateMutation, UpdateMutationVariables>;
export const MetadataHistoryDocument = new TypedDocumentString(`
    query MetadataHistory($id: ID!) {
  datasourceMetadataAudit(id: $id, first: 30) {
    nodes {
      id
      actor
      createdAt
      field
      oldValue
      newValue
      reason
    }
  }
}
    `, {"hash":"sha256:dfa28e7e082c7c576408b44f3ddc5a96d260c1a205d5ee95c323c11a97fea2b6"}) as unknown as TypedDocumentString<MetadataHistoryQuery, MetadataHistoryQueryVariables>;
export const MetricsDocument = new TypedDocumentString(`
    query Metrics($id: ID!, $window: String!) {
  datasourceMetrics(id: $id, window: $window) {
    name
    unit
    value
    points {
      at
      value
    }
  }
}
    `, {"hash":"sha256:94b3693fc27807746afb64ecf2943bde7151417d5ff2f1d613adb1f5dec7eed3"}) as unknown as TypedDocumentString<MetricsQuery, MetricsQueryVariables>;
export const DiffDocument = new TypedDocumentString(`
    query Diff($id: ID!, $from: Int!, $to: Int!) {
  datasourceVersionDiff(id: $id, from: $from, to: $to) {
    changes {
      op
      path
      old
      new
    }
  }
}
    `, {"hash":"sha256:45a98976e68aec3abfc660c3a6bd676feafea7985b6ba7ddf7180710fc19238d"}) as unknown as TypedDocumentString<DiffQuery, DiffQueryVariables>;
export const RollbackDocument = new TypedDocumentString(`
    mutation Rollback($input: RollbackDatasourceInput!) {
  rollbackDatasource(input: $input) {
    datasource {
      id
    }
  }
}
    `, {"hash":"sha256:b32835f043eda58e5bfcdfdc186ab56711a2fec11fa7491ce8e5e837b980ce72"}) as unknown as TypedDocumentString<RollbackMutation, RollbackMutationVariables>;
export const DeleteSecretDocument = new TypedDocumentString(`
    mutation DeleteSecret($input: DeleteDatasourceSecretInput!) {
  deleteDatasourceSecret(input: $input) {
    secret {
      key
    }
  }
}
    `, {"hash":"sha256:88e1bea49b4bb491ccf554d1d19e74cfde10f58f3204441ca073016c4694d163"}) as unknown as TypedDocumentString<DeleteSecretMutation, DeleteSecretMutationVariables>;
export const RepinDocument = new TypedDocumentString(`
    mutation Repin($input: DatasourceActionInput!) {
  repinDatasourceSecrets(input: $input) {
    datasource {
      id
    }
  }
}
    `, {"hash":"sha256:55cb284f3ef1b5fdddfa19a5c956708cad1fda240ec318513e75c2c9d7bebbef"}) as unknown as TypedDocumentString<RepinMutation, RepinMutationVariables>;
export const VersionsDocument = new TypedDocumentString(`
    query Versions($id: ID!, $after: String) {
  datasource(id: $id) {
    versions(first: 30, after: $after) {
      nodes {
        ...VersionFields
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
}
    fragment VersionFields on DatasourceVersion {
  id
  version
  state
  approval
  comment
  config
  checksum
  createdAt
  createdBy
  publishedAt
  publishedBy
  secretPins {
    key
    version
  }
}`, {"hash":"sha256:a41bf7106890f43b8fc62031409ecd06b1ab2a53c25f9216b4b9462c00f02a0f"}) as unknown as TypedDocumentString<VersionsQuery, VersionsQueryVariables>;
export const DatasourceDocument = new TypedDocumentString(`
    query Datasource($id: ID!) {
  datasource(id: $id) {
    ...DetailFields
  }
}
    fragment RowFields on Datasource {
  id
  name
  type
  description
  status
  owner
  tags
  revision
  archivedAt
  updatedAt
  currentVersion {
    version
  }
  state {
    ...StateFields
  }
}
fragment StateFields on DatasourceState {
  datasourceId
  desired
  workerStatus
  runningVersion
  node
  restartCount
  lastHeartbeatAt
  lastRecordAt
  errorCode
  errorMessage
  checkpoint
  metrics {
    delivered
    failed
    skipped
    rate
    latency
  }
}
fragment VersionFields on DatasourceVersion {
  id
  version
  state
  approval
  comment
  config
  checksum
  createdAt
  createdBy
  publishedAt
  publishedBy
  secretPins {
    key
    version
  }
}
fragment DetailFields on Datasource {
  ...RowFields
  org
  project
  team
  category
  managedBy
  createdAt
  createdBy
  updatedBy
  webhookPath
  currentVersion {
    ...VersionFields
  }
  latestVersion {
    ...VersionFields
  }
  secrets {
    key
    version
    createdAt
    createdBy
    rotatedAt
    rotatedBy
  }
}`, {"hash":"sha256:ae5bc1de6c300cf69dd5a1ed31fb1ea2ea60ef099ba5d8356e8fcbd8b2dfffdd"}) as unknown as TypedDocumentString<DatasourceQuery, DatasourceQueryVariables>;
export const StateDocument = new TypedDocumentString(`
    subscription State($ids: [ID!]!) {
  datasourceStates(ids: $ids) {
    ...StateFields
  }
}
    fragment StateFields on DatasourceState {
  datasourceId
  desired
  workerStatus
  runningVersion
  node
  restartCount
  lastHeartbeatAt
  lastRecordAt
  errorCode
  errorMessage
  checkpoint
  metrics {
    delivered
    failed
    skipped
    rate
    latency
  }
}`, {"hash":"sha256:f22cb35c51e02e1cc8cbea88f5d7eb279301264f1f58e7214b7418662869b4f3"}) as unknown as TypedDocumentString<StateSubscription, StateSubscriptionVariables>;
export const ChangesDocument = new TypedDocumentString(`
    subscription Changes($id: ID!) {
  datasourceEvents(id: $id) {
    id
    eventType
  }
}
    `, {"hash":"sha256:328ae3a906af0e8bff65918dbf88fe5184efb3e99baad32f498a5a3c4d617ace"}) as unknown as TypedDocumentString<ChangesSubscription, ChangesSubscriptionVariables>;
export const RecordsDocument = new TypedDocumentString(`
    subscription Records($id: ID!) {
  datasourceRecords(id: $id) {
    id
    kind
    data
    version
    node
    ingestedAt
    passed
  }
}
    `, {"hash":"sha256:5f4d6ed0dcf6883260cdcb7975cc155eb1f2f39523e615fcda8616494ec4ada7"}) as unknown as TypedDocumentString<RecordsSubscription, RecordsSubscriptionVariables>;
export const SaveVersionDocument = new TypedDocumentString(`
    mutation SaveVersion($input: CreateDatasourceVersionInput!) {
  createDatasourceVersion(input: $input) {
    version {
      version
    }
    datasource {
      ...DetailFields
    }
  }
}
    fragment RowFields on Datasource {
  id
  name
  type
  description
  status
  owner
  tags
  revision
  archivedAt
  updatedAt
  currentVersion {
    version
  }
  state {
    ...StateFields
  }
}
fragment StateFields on DatasourceState {
  datasourceId
  desired
  workerStatus
  runningVersion
  node
  restartCount
  lastHeartbeatAt
  lastRecordAt
  errorCode
  errorMessage
  checkpoint
  metrics {
    delivered
    failed
    skipped
    rate
    latency
  }
}
fragment VersionFields on DatasourceVersion {
  id
  version
  state
  approval
  comment
  config
  checksum
  createdAt
  createdBy
  publishedAt
  publishedBy
  secretPins {
    key
    version
  }
}
fragment DetailFields on Datasource {
  ...RowFields
  org
  project
  team
  category
  managedBy
  createdAt
  createdBy
  updatedBy
  webhookPath
  currentVersion {
    ...VersionFields
  }
  latestVersion {
    ...VersionFields
  }
  secrets {
    key
    version
    createdAt
    createdBy
    rotatedAt
    rotatedBy
  }
}`, {"hash":"sha256:cdb4cdcddf2ab5fcad793ea6bf2a1254aaae8c10b6e058ea51c765ad27b70984"}) as unknown as TypedDocumentString<SaveVersionMutation, SaveVersionMutationVariables>;
export const PublishDocument = new TypedDocumentString(`
    mutation Publish($input: PublishDatasourceInput!) {
  publishDatasource(input: $input) {
    datasource {
      ...DetailFields
    }
  }
}
    fragment RowFields on Datasource {
  id
  name
  type
  description
  status
  owner
  tags
  revision
  archivedAt
  updatedAt
  currentVersion {
    version
  }
  state {
    ...StateFields
  }
}
fragment StateFields on DatasourceState {
  datasourceId
  desired
  workerStatus
  runningVersion
  node
  restartCount
  lastHeartbeatAt
  lastRecordAt
  errorCode
  errorMessage
  checkpoint
  metrics {
    delivered
    failed
    skipped
    rate
    latency
  }
}
fragment VersionFields on DatasourceVersion {
  id
  version
  state
  approval
  comment
  config
  checksum
  createdAt
  createdBy
  publishedAt
  publishedBy
  secretPins {
    key
    version
  }
}
fragment DetailFields on Datasource {
  ...RowFields
  org
  project
  team
  category
  managedBy
  createdAt
  createdBy
  updatedBy
  webhookPath
  currentVersion {
    ...VersionFields
  }
  latestVersion {
    ...VersionFields
  }
  secrets {
    key
    version
    createdAt
    createdBy
    rotatedAt
    rotatedBy
  }
}`, {"hash":"sha256:3a347ed9266ce36f7ea3476e89ebb723b21244c8bd722ba17931238dc837edd6"}) as unknown as TypedDocumentString<PublishMutation, PublishMutationVariables>;
export const RegistryDocument = new TypedDocumentString(`
    query Registry($after: String) {
  registry {
    nodes {
      name
      role
      version
      alive
      workers
      startedAt
      lastHeartbeatAt
    }
    workers(first: 50, after: $after) {
      nodes {
        datasourceId
        slot
        node
        epoch
        workerStatus
        runningVersion
        errorMessage
        leaseUntil
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
}
    `, {"hash":"sha256:5eb13eb49ae79beddd4adaa7ebf1873429d4ada732231a37d3a98fa9e4bb28f1"}) as unknown as TypedDocumentString<RegistryQuery, RegistryQueryVariables>;