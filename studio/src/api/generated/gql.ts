/* eslint-disable */
import * as types from './graphql';



/**
 * Map of all GraphQL operations in the project.
 *
 * This map has several performance disadvantages:
 * 1. It is not tree-shakeable, so it will include all operations in the project.
 * 2. It is not minifiable, so the string of a GraphQL query will be multiple times inside the bundle.
 * 3. It does not support dead code elimination, so it will add unused operations.
 *
 * Therefore it is highly recommended to use the babel or swc plugin for production.
 * Learn more about it here: https://the-guild.dev/graphql/codegen/plugins/presets/preset-client#reducing-bundle-size
 */
type Documents = {
    "\n  fragment RowFields on Datasource {\n    id\n    name\n    type\n    description\n    status\n    owner\n    tags\n    revision\n    archivedAt\n    updatedAt\n    currentVersion {\n      version\n    }\n    state {\n      ...StateFields\n    }\n  }\n": typeof types.RowFieldsFragmentDoc,
    "\n  fragment StateFields on DatasourceState {\n    datasourceId\n    desired\n    workerStatus\n    runningVersion\n    node\n    restartCount\n    lastHeartbeatAt\n    lastRecordAt\n    errorCode\n    errorMessage\n    checkpoint\n    metrics {\n      delivered\n      failed\n      skipped\n      rate\n      latency\n    }\n  }\n": typeof types.StateFieldsFragmentDoc,
    "\n  fragment VersionFields on DatasourceVersion {\n    id\n    version\n    state\n    approval\n    comment\n    config\n    checksum\n    createdAt\n    createdBy\n    publishedAt\n    publishedBy\n    secretPins {\n      key\n      version\n    }\n  }\n": typeof types.VersionFieldsFragmentDoc,
    "\n  fragment DetailFields on Datasource {\n    ...RowFields\n    org\n    project\n    team\n    category\n    managedBy\n    createdAt\n    createdBy\n    updatedBy\n    webhookPath\n    currentVersion {\n      ...VersionFields\n    }\n    latestVersion {\n      ...VersionFields\n    }\n    secrets {\n      key\n      version\n      createdAt\n      createdBy\n      rotatedAt\n      rotatedBy\n    }\n  }\n": typeof types.DetailFieldsFragmentDoc,
    "\n  query Viewer {\n    viewer {\n      subject\n      org\n      role\n      projects\n      permissions\n      expiresAt\n    }\n  }\n": typeof types.ViewerDocument,
    "\n  query Audit($filter: AuditFilterInput, $after: String) {\n    auditLog(filter: $filter, first: 50, after: $after) {\n      nodes {\n        id\n        action\n        actor\n        createdAt\n        datasourceId\n        field\n        oldValue\n        newValue\n        outcome\n        reason\n        requestId\n        sourceAddress\n        hash\n      }\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n    }\n  }\n": typeof types.AuditDocument,
    "\n  query Catalog($filter: DatasourceFilterInput, $orderBy: DatasourceOrderInput, $after: String) {\n    datasources(filter: $filter, orderBy: $orderBy, first: 100, after: $after) {\n      totalCount\n      nodes {\n        ...RowFields\n      }\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n    }\n  }\n": typeof types.CatalogDocument,
    "\n  subscription CatalogStates($ids: [ID!]!) {\n    datasourceStates(ids: $ids) {\n      ...StateFields\n    }\n  }\n": typeof types.CatalogStatesDocument,
    "\n  subscription CatalogChanges($types: [EventType!]) {\n    datasourceEvents(types: $types) {\n      id\n      eventType\n    }\n  }\n": typeof types.CatalogChangesDocument,
    "\n  query Samples($id: ID!) {\n    datasourceSamples(id: $id) {\n      name\n      payload\n      createdAt\n    }\n  }\n": typeof types.SamplesDocument,
    "\n  mutation Test($input: TestDatasourceInput!) {\n    testDatasource(input: $input) {\n      run {\n        success\n        durationMs\n        outputs {\n          id\n          kind\n          data\n        }\n        errors {\n          code\n          message\n          path\n          record\n        }\n        warnings\n        logs\n        payload\n        diff {\n          op\n          path\n          old\n          new\n        }\n      }\n    }\n  }\n": typeof types.TestDocument,
    "\n  query Validate($type: String!, $config: JSON!) {\n    validateConfig(type: $type, config: $config) {\n      pointer\n      message\n    }\n  }\n": typeof types.ValidateDocument,
    "\n  mutation SetSecret($input: SetDatasourceSecretInput!) {\n    setDatasourceSecret(input: $input) {\n      repinRequired\n      secret {\n        key\n        version\n      }\n    }\n  }\n": typeof types.SetSecretDocument,
    "\n  query Types {\n    connectorTypes {\n      name\n      title\n      description\n      schemaVersion\n      configSchema\n      sample\n    }\n    sinkTypes {\n      name\n      title\n      description\n      configSchema\n    }\n  }\n": typeof types.TypesDocument,
    "\n  mutation Create($input: CreateDatasourceInput!) {\n    createDatasource(input: $input) {\n      datasource {\n        id\n      }\n    }\n  }\n": typeof types.CreateDocument,
    "\n  mutation Start($input: DatasourceActionInput!) {\n    startDatasource(input: $input) {\n      datasource {\n        id\n      }\n    }\n  }\n": typeof types.StartDocument,
    "\n  mutation Stop($input: DatasourceActionInput!) {\n    stopDatasource(input: $input) {\n      datasource {\n        id\n      }\n    }\n  }\n": typeof types.StopDocument,
    "\n  mutation Restart($input: DatasourceActionInput!) {\n    restartDatasource(input: $input) {\n      datasource {\n        id\n      }\n    }\n  }\n": typeof types.RestartDocument,
    "\n  mutation Archive($input: ArchiveDatasourceInput!) {\n    archiveDatasource(input: $input) {\n      datasource {\n        id\n      }\n    }\n  }\n": typeof types.ArchiveDocument,
    "\n  mutation Restore($input: DatasourceActionInput!) {\n    restoreDatasource(input: $input) {\n      datasource {\n        id\n      }\n    }\n  }\n": typeof types.RestoreDocument,
    "\n  mutation Check($input: CheckDatasourceInput!) {\n    checkDatasource(input: $input) {\n      success\n      version\n      steps {\n        name\n        success\n        message\n        durationMs\n      }\n    }\n  }\n": typeof types.CheckDocument,
    "\n  query DeadLetters($id: ID!, $after: String) {\n    deadLetters(id: $id, first: 50, after: $after) {\n      totalCount\n      nodes {\n        id\n        errorCode\n        errorMessage\n        errorPath\n        payload\n        scope\n        version\n        attempts\n        complete\n        createdAt\n        editedAt\n        editedBy\n      }\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n    }\n  }\n": typeof types.DeadLettersDocument,
    "\n  mutation Replay($input: ReplayDeadLettersInput!) {\n    replayDeadLetters(input: $input) {\n      job {\n        id\n      }\n    }\n  }\n": typeof types.ReplayDocument,
    "\n  mutation Discard($input: DiscardDeadLettersInput!) {\n    discardDeadLetters(input: $input) {\n      discarded\n    }\n  }\n": typeof types.DiscardDocument,
    "\n  query Events($id: ID!, $after: String, $types: [EventType!]) {\n    datasourceEvents(id: $id, first: 50, after: $after, types: $types) {\n      nodes {\n        id\n        eventType\n        actor\n        version\n        payload\n        createdAt\n      }\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n    }\n  }\n": typeof types.EventsDocument,
    "\n  fragment JobFields on Job {\n    id\n    kind\n    status\n    version\n    createdAt\n    createdBy\n    errorMessage\n    cancelRequested\n    progress {\n      read\n      delivered\n      failed\n      total\n      rate\n      etaSeconds\n    }\n  }\n": typeof types.JobFieldsFragmentDoc,
    "\n  query Jobs($id: ID!) {\n    datasourceJobs(id: $id, first: 20) {\n      nodes {\n        ...JobFields\n      }\n    }\n  }\n": typeof types.JobsDocument,
    "\n  subscription WatchJob($id: ID!) {\n    datasourceJob(id: $id) {\n      ...JobFields\n    }\n  }\n": typeof types.WatchJobDocument,
    "\n  mutation Backfill($input: BackfillDatasourceInput!) {\n    backfillDatasource(input: $input) {\n      job {\n        id\n      }\n    }\n  }\n": typeof types.BackfillDocument,
    "\n  mutation CancelJob($input: CancelJobInput!) {\n    cancelJob(input: $input) {\n      job {\n        id\n      }\n    }\n  }\n": typeof types.CancelJobDocument,
    "\n  mutation EditLetter($input: EditDeadLetterInput!) {\n    editDeadLetter(input: $input) {\n      deadLetter {\n        id\n      }\n    }\n  }\n": typeof types.EditLetterDocument,
    "\n  subscription Logs($id: ID!, $level: LogLevel) {\n    datasourceLogs(id: $id, level: $level) {\n      at\n      level\n      message\n      node\n      version\n      recordId\n      passed\n    }\n  }\n": typeof types.LogsDocument,
    "\n  mutation LogMore($input: SetDatasourceLogLevelInput!) {\n    setDatasourceLogLevel(input: $input) {\n      datasource {\n        id\n      }\n    }\n  }\n": typeof types.LogMoreDocument,
    "\n  mutation Update($input: UpdateDatasourceInput!) {\n    updateDatasource(input: $input) {\n      datasource {\n        ...DetailFields\n      }\n    }\n  }\n": typeof types.UpdateDocument,
    "\n  query MetadataHistory($id: ID!) {\n    datasourceMetadataAudit(id: $id, first: 30) {\n      nodes {\n        id\n        actor\n        createdAt\n        field\n        oldValue\n        newValue\n        reason\n      }\n    }\n  }\n": typeof types.MetadataHistoryDocument,
    "\n  query Metrics($id: ID!, $window: String!) {\n    datasourceMetrics(id: $id, window: $window) {\n      name\n      unit\n      value\n      points {\n        at\n        value\n      }\n    }\n  }\n": typeof types.MetricsDocument,
    "\n  query Diff($id: ID!, $from: Int!, $to: Int!) {\n    datasourceVersionDiff(id: $id, from: $from, to: $to) {\n      changes {\n        op\n        path\n        old\n        new\n      }\n    }\n  }\n": typeof types.DiffDocument,
    "\n  mutation Rollback($input: RollbackDatasourceInput!) {\n    rollbackDatasource(input: $input) {\n      datasource {\n        id\n      }\n    }\n  }\n": typeof types.RollbackDocument,
    "\n  mutation DeleteSecret($input: DeleteDatasourceSecretInput!) {\n    deleteDatasourceSecret(input: $input) {\n      secret {\n        key\n      }\n    }\n  }\n": typeof types.DeleteSecretDocument,
    "\n  mutation Repin($input: DatasourceActionInput!) {\n    repinDatasourceSecrets(input: $input) {\n      datasource {\n        id\n      }\n    }\n  }\n": typeof types.RepinDocument,
    "\n  query Versions($id: ID!, $after: String) {\n    datasource(id: $id) {\n      versions(first: 30, after: $after) {\n        nodes {\n          ...VersionFields\n        }\n        pageInfo {\n          hasNextPage\n          endCursor\n        }\n      }\n    }\n  }\n": typeof types.VersionsDocument,
    "\n  query Datasource($id: ID!) {\n    datasource(id: $id) {\n      ...DetailFields\n    }\n  }\n": typeof types.DatasourceDocument,
    "\n  subscription State($ids: [ID!]!) {\n    datasourceStates(ids: $ids) {\n      ...StateFields\n    }\n  }\n": typeof types.StateDocument,
    "\n  subscription Changes($id: ID!) {\n    datasourceEvents(id: $id) {\n      id\n      eventType\n    }\n  }\n": typeof types.ChangesDocument,
    "\n  subscription Records($id: ID!) {\n    datasourceRecords(id: $id) {\n      id\n      kind\n      data\n      version\n      node\n      ingestedAt\n      passed\n    }\n  }\n": typeof types.RecordsDocument,
    "\n  mutation SaveVersion($input: CreateDatasourceVersionInput!) {\n    createDatasourceVersion(input: $input) {\n      version {\n        version\n      }\n      datasource {\n        ...DetailFields\n      }\n    }\n  }\n": typeof types.SaveVersionDocument,
    "\n  mutation Publish($input: PublishDatasourceInput!) {\n    publishDatasource(input: $input) {\n      datasource {\n        ...DetailFields\n      }\n    }\n  }\n": typeof types.PublishDocument,
    "\n  query Registry($after: String) {\n    registry {\n      nodes {\n        name\n        role\n        version\n        alive\n        workers\n        startedAt\n        lastHeartbeatAt\n      }\n      workers(first: 50, after: $after) {\n        nodes {\n          datasourceId\n          slot\n          node\n          epoch\n          workerStatus\n          runningVersion\n          errorMessage\n          leaseUntil\n        }\n        pageInfo {\n          hasNextPage\n          endCursor\n        }\n      }\n    }\n  }\n": typeof types.RegistryDocument,
};
const documents: Documents = {
    "\n  fragment RowFields on Datasource {\n    id\n    name\n    type\n    description\n    status\n    owner\n    tags\n    revision\n    archivedAt\n    updatedAt\n    currentVersion {\n      version\n    }\n    state {\n      ...StateFields\n    }\n  }\n": types.RowFieldsFragmentDoc,
    "\n  fragment StateFields on DatasourceState {\n    datasourceId\n    desired\n    workerStatus\n    runningVersion\n    node\n    restartCount\n    lastHeartbeatAt\n    lastRecordAt\n    errorCode\n    errorMessage\n    checkpoint\n    metrics {\n      delivered\n      failed\n      skipped\n      rate\n      latency\n    }\n  }\n": types.StateFieldsFragmentDoc,
    "\n  fragment VersionFields on DatasourceVersion {\n    id\n    version\n    state\n    approval\n    comment\n    config\n    checksum\n    createdAt\n    createdBy\n    publishedAt\n    publishedBy\n    secretPins {\n      key\n      version\n    }\n  }\n": types.VersionFieldsFragmentDoc,
    "\n  fragment DetailFields on Datasource {\n    ...RowFields\n    org\n    project\n    team\n    category\n    managedBy\n    createdAt\n    createdBy\n    updatedBy\n    webhookPath\n    currentVersion {\n      ...VersionFields\n    }\n    latestVersion {\n      ...VersionFields\n    }\n    secrets {\n      key\n      version\n      createdAt\n      createdBy\n      rotatedAt\n      rotatedBy\n    }\n  }\n": types.DetailFieldsFragmentDoc,
    "\n  query Viewer {\n    viewer {\n      subject\n      org\n      role\n      projects\n      permissions\n      expiresAt\n    }\n  }\n": types.ViewerDocument,
    "\n  query Audit($filter: AuditFilterInput, $after: String) {\n    auditLog(filter: $filter, first: 50, after: $after) {\n      nodes {\n        id\n        action\n        actor\n        createdAt\n        datasourceId\n        field\n        oldValue\n        newValue\n        outcome\n        reason\n        requestId\n        sourceAddress\n        hash\n      }\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n    }\n  }\n": types.AuditDocument,
    "\n  query Catalog($filter: DatasourceFilterInput, $orderBy: DatasourceOrderInput, $after: String) {\n    datasources(filter: $filter, orderBy: $orderBy, first: 100, after: $after) {\n      totalCount\n      nodes {\n        ...RowFields\n      }\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n    }\n  }\n": types.CatalogDocument,
    "\n  subscription CatalogStates($ids: [ID!]!) {\n    datasourceStates(ids: $ids) {\n      ...StateFields\n    }\n  }\n": types.CatalogStatesDocument,
    "\n  subscription CatalogChanges($types: [EventType!]) {\n    datasourceEvents(types: $types) {\n      id\n      eventType\n    }\n  }\n": types.CatalogChangesDocument,
    "\n  query Samples($id: ID!) {\n    datasourceSamples(id: $id) {\n      name\n      payload\n      createdAt\n    }\n  }\n": types.SamplesDocument,
    "\n  mutation Test($input: TestDatasourceInput!) {\n    testDatasource(input: $input) {\n      run {\n        success\n        durationMs\n        outputs {\n          id\n          kind\n          data\n        }\n        errors {\n          code\n          message\n          path\n          record\n        }\n        warnings\n        logs\n        payload\n        diff {\n          op\n          path\n          old\n          new\n        }\n      }\n    }\n  }\n": types.TestDocument,
    "\n  query Validate($type: String!, $config: JSON!) {\n    validateConfig(type: $type, config: $config) {\n      pointer\n      message\n    }\n  }\n": types.ValidateDocument,
    "\n  mutation SetSecret($input: SetDatasourceSecretInput!) {\n    setDatasourceSecret(input: $input) {\n      repinRequired\n      secret {\n        key\n        version\n      }\n    }\n  }\n": types.SetSecretDocument,
    "\n  query Types {\n    connectorTypes {\n      name\n      title\n      description\n      schemaVersion\n      configSchema\n      sample\n    }\n    sinkTypes {\n      name\n      title\n      description\n      configSchema\n    }\n  }\n": types.TypesDocument,
    "\n  mutation Create($input: CreateDatasourceInput!) {\n    createDatasource(input: $input) {\n      datasource {\n        id\n      }\n    }\n  }\n": types.CreateDocument,
    "\n  mutation Start($input: DatasourceActionInput!) {\n    startDatasource(input: $input) {\n      datasource {\n        id\n      }\n    }\n  }\n": types.StartDocument,
    "\n  mutation Stop($input: DatasourceActionInput!) {\n    stopDatasource(input: $input) {\n      datasource {\n        id\n      }\n    }\n  }\n": types.StopDocument,
    "\n  mutation Restart($input: DatasourceActionInput!) {\n    restartDatasource(input: $input) {\n      datasource {\n        id\n      }\n    }\n  }\n": types.RestartDocument,
    "\n  mutation Archive($input: ArchiveDatasourceInput!) {\n    archiveDatasource(input: $input) {\n      datasource {\n        id\n      }\n    }\n  }\n": types.ArchiveDocument,
    "\n  mutation Restore($input: DatasourceActionInput!) {\n    restoreDatasource(input: $input) {\n      datasource {\n        id\n      }\n    }\n  }\n": types.RestoreDocument,
    "\n  mutation Check($input: CheckDatasourceInput!) {\n    checkDatasource(input: $input) {\n      success\n      version\n      steps {\n        name\n        success\n        message\n        durationMs\n      }\n    }\n  }\n": types.CheckDocument,
    "\n  query DeadLetters($id: ID!, $after: String) {\n    deadLetters(id: $id, first: 50, after: $after) {\n      totalCount\n      nodes {\n        id\n        errorCode\n        errorMessage\n        errorPath\n        payload\n        scope\n        version\n        attempts\n        complete\n        createdAt\n        editedAt\n        editedBy\n      }\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n    }\n  }\n": types.DeadLettersDocument,
    "\n  mutation Replay($input: ReplayDeadLettersInput!) {\n    replayDeadLetters(input: $input) {\n      job {\n        id\n      }\n    }\n  }\n": types.ReplayDocument,
    "\n  mutation Discard($input: DiscardDeadLettersInput!) {\n    discardDeadLetters(input: $input) {\n      discarded\n    }\n  }\n": types.DiscardDocument,
    "\n  query Events($id: ID!, $after: String, $types: [EventType!]) {\n    datasourceEvents(id: $id, first: 50, after: $after, types: $types) {\n      nodes {\n        id\n        eventType\n        actor\n        version\n        payload\n        createdAt\n      }\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n    }\n  }\n": types.EventsDocument,
    "\n  fragment JobFields on Job {\n    id\n    kind\n    status\n    version\n    createdAt\n    createdBy\n    errorMessage\n    cancelRequested\n    progress {\n      read\n      delivered\n      failed\n      total\n      rate\n      etaSeconds\n    }\n  }\n": types.JobFieldsFragmentDoc,
    "\n  query Jobs($id: ID!) {\n    datasourceJobs(id: $id, first: 20) {\n      nodes {\n        ...JobFields\n      }\n    }\n  }\n": types.JobsDocument,
    "\n  subscription WatchJob($id: ID!) {\n    datasourceJob(id: $id) {\n      ...JobFields\n    }\n  }\n": types.WatchJobDocument,
    "\n  mutation Backfill($input: BackfillDatasourceInput!) {\n    backfillDatasource(input: $input) {\n      job {\n        id\n      }\n    }\n  }\n": types.BackfillDocument,
    "\n  mutation CancelJob($input: CancelJobInput!) {\n    cancelJob(input: $input) {\n      job {\n        id\n      }\n    }\n  }\n": types.CancelJobDocument,
    "\n  mutation EditLetter($input: EditDeadLetterInput!) {\n    editDeadLetter(input: $input) {\n      deadLetter {\n        id\n      }\n    }\n  }\n": types.EditLetterDocument,
    "\n  subscription Logs($id: ID!, $level: LogLevel) {\n    datasourceLogs(id: $id, level: $level) {\n      at\n      level\n      message\n      node\n      version\n      recordId\n      passed\n    }\n  }\n": types.LogsDocument,
    "\n  mutation LogMore($input: SetDatasourceLogLevelInput!) {\n    setDatasourceLogLevel(input: $input) {\n      datasource {\n        id\n      }\n    }\n  }\n": types.LogMoreDocument,
    "\n  mutation Update($input: UpdateDatasourceInput!) {\n    updateDatasource(input: $input) {\n      datasource {\n        ...DetailFields\n      }\n    }\n  }\n": types.UpdateDocument,
    "\n  query MetadataHistory($id: ID!) {\n    datasourceMetadataAudit(id: $id, first: 30) {\n      nodes {\n        id\n        actor\n        createdAt\n        field\n        oldValue\n        newValue\n        reason\n      }\n    }\n  }\n": types.MetadataHistoryDocument,
    "\n  query Metrics($id: ID!, $window: String!) {\n    datasourceMetrics(id: $id, window: $window) {\n      name\n      unit\n      value\n      points {\n        at\n        value\n      }\n    }\n  }\n": types.MetricsDocument,
    "\n  query Diff($id: ID!, $from: Int!, $to: Int!) {\n    datasourceVersionDiff(id: $id, from: $from, to: $to) {\n      changes {\n        op\n        path\n        old\n        new\n      }\n    }\n  }\n": types.DiffDocument,
    "\n  mutation Rollback($input: RollbackDatasourceInput!) {\n    rollbackDatasource(input: $input) {\n      datasource {\n        id\n      }\n    }\n  }\n": types.RollbackDocument,
    "\n  mutation DeleteSecret($input: DeleteDatasourceSecretInput!) {\n    deleteDatasourceSecret(input: $input) {\n      secret {\n        key\n      }\n    }\n  }\n": types.DeleteSecretDocument,
    "\n  mutation Repin($input: DatasourceActionInput!) {\n    repinDatasourceSecrets(input: $input) {\n      datasource {\n        id\n      }\n    }\n  }\n": types.RepinDocument,
    "\n  query Versions($id: ID!, $after: String) {\n    datasource(id: $id) {\n      versions(first: 30, after: $after) {\n        nodes {\n          ...VersionFields\n        }\n        pageInfo {\n          hasNextPage\n          endCursor\n        }\n      }\n    }\n  }\n": types.VersionsDocument,
    "\n  query Datasource($id: ID!) {\n    datasource(id: $id) {\n      ...DetailFields\n    }\n  }\n": types.DatasourceDocument,
    "\n  subscription State($ids: [ID!]!) {\n    datasourceStates(ids: $ids) {\n      ...StateFields\n    }\n  }\n": types.StateDocument,
    "\n  subscription Changes($id: ID!) {\n    datasourceEvents(id: $id) {\n      id\n      eventType\n    }\n  }\n": types.ChangesDocument,
    "\n  subscription Records($id: ID!) {\n    datasourceRecords(id: $id) {\n      id\n      kind\n      data\n      version\n      node\n      ingestedAt\n      passed\n    }\n  }\n": types.RecordsDocument,
    "\n  mutation SaveVersion($input: CreateDatasourceVersionInput!) {\n    createDatasourceVersion(input: $input) {\n      version {\n        version\n      }\n      datasource {\n        ...DetailFields\n      }\n    }\n  }\n": types.SaveVersionDocument,
    "\n  mutation Publish($input: PublishDatasourceInput!) {\n    publishDatasource(input: $input) {\n      datasource {\n        ...DetailFields\n      }\n    }\n  }\n": types.PublishDocument,
    "\n  query Registry($after: String) {\n    registry {\n      nodes {\n        name\n        role\n        version\n        alive\n        workers\n        startedAt\n        lastHeartbeatAt\n      }\n      workers(first: 50, after: $after) {\n        nodes {\n          datasourceId\n          slot\n          node\n          epoch\n          workerStatus\n          runningVersion\n          errorMessage\n          leaseUntil\n        }\n        pageInfo {\n          hasNextPage\n          endCursor\n        }\n      }\n    }\n  }\n": types.RegistryDocument,
};

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  fragment RowFields on Datasource {\n    id\n    name\n    type\n    description\n    status\n    owner\n    tags\n    revision\n    archivedAt\n    updatedAt\n    currentVersion {\n      version\n    }\n    state {\n      ...StateFields\n    }\n  }\n"): typeof import('./graphql').RowFieldsFragmentDoc;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  fragment StateFields on DatasourceState {\n    datasourceId\n    desired\n    workerStatus\n    runningVersion\n    node\n    restartCount\n    lastHeartbeatAt\n    lastRecordAt\n    errorCode\n    errorMessage\n    checkpoint\n    metrics {\n      delivered\n      failed\n      skipped\n      rate\n      latency\n    }\n  }\n"): typeof import('./graphql').StateFieldsFragmentDoc;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  fragment VersionFields on DatasourceVersion {\n    id\n    version\n    state\n    approval\n    comment\n    config\n    checksum\n    createdAt\n    createdBy\n    publishedAt\n    publishedBy\n    secretPins {\n      key\n      version\n    }\n  }\n"): typeof import('./graphql').VersionFieldsFragmentDoc;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  fragment DetailFields on Datasource {\n    ...RowFields\n    org\n    project\n    team\n    category\n    managedBy\n    createdAt\n    createdBy\n    updatedBy\n    webhookPath\n    currentVersion {\n      ...VersionFields\n    }\n    latestVersion {\n      ...VersionFields\n    }\n    secrets {\n      key\n      version\n      createdAt\n      createdBy\n      rotatedAt\n      rotatedBy\n    }\n  }\n"): typeof import('./graphql').DetailFieldsFragmentDoc;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Viewer {\n    viewer {\n      subject\n      org\n      role\n      projects\n      permissions\n      expiresAt\n    }\n  }\n"): typeof import('./graphql').ViewerDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Audit($filter: AuditFilterInput, $after: String) {\n    auditLog(filter: $filter, first: 50, after: $after) {\n      nodes {\n        id\n        action\n        actor\n        createdAt\n        datasourceId\n        field\n        oldValue\n        newValue\n        outcome\n        reason\n        requestId\n        sourceAddress\n        hash\n      }\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n    }\n  }\n"): typeof import('./graphql').AuditDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Catalog($filter: DatasourceFilterInput, $orderBy: DatasourceOrderInput, $after: String) {\n    datasources(filter: $filter, orderBy: $orderBy, first: 100, after: $after) {\n      totalCount\n      nodes {\n        ...RowFields\n      }\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n    }\n  }\n"): typeof import('./graphql').CatalogDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription CatalogStates($ids: [ID!]!) {\n    datasourceStates(ids: $ids) {\n      ...StateFields\n    }\n  }\n"): typeof import('./graphql').CatalogStatesDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription CatalogChanges($types: [EventType!]) {\n    datasourceEvents(types: $types) {\n      id\n      eventType\n    }\n  }\n"): typeof import('./graphql').CatalogChangesDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Samples($id: ID!) {\n    datasourceSamples(id: $id) {\n      name\n      payload\n      createdAt\n    }\n  }\n"): typeof import('./graphql').SamplesDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Test($input: TestDatasourceInput!) {\n    testDatasource(input: $input) {\n      run {\n        success\n        durationMs\n        outputs {\n          id\n          kind\n          data\n        }\n        errors {\n          code\n          message\n          path\n          record\n        }\n        warnings\n        logs\n        payload\n        diff {\n          op\n          path\n          old\n          new\n        }\n      }\n    }\n  }\n"): typeof import('./graphql').TestDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Validate($type: String!, $config: JSON!) {\n    validateConfig(type: $type, config: $config) {\n      pointer\n      message\n    }\n  }\n"): typeof import('./graphql').ValidateDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation SetSecret($input: SetDatasourceSecretInput!) {\n    setDatasourceSecret(input: $input) {\n      repinRequired\n      secret {\n        key\n        version\n      }\n    }\n  }\n"): typeof import('./graphql').SetSecretDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Types {\n    connectorTypes {\n      name\n      title\n      description\n      schemaVersion\n      configSchema\n      sample\n    }\n    sinkTypes {\n      name\n      title\n      description\n      configSchema\n    }\n  }\n"): typeof import('./graphql').TypesDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Create($input: CreateDatasourceInput!) {\n    createDatasource(input: $input) {\n      datasource {\n        id\n      }\n    }\n  }\n"): typeof import('./graphql').CreateDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Start($input: DatasourceActionInput!) {\n    startDatasource(input: $input) {\n      datasource {\n        id\n      }\n    }\n  }\n"): typeof import('./graphql').StartDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Stop($input: DatasourceActionInput!) {\n    stopDatasource(input: $input) {\n      datasource {\n        id\n      }\n    }\n  }\n"): typeof import('./graphql').StopDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Restart($input: DatasourceActionInput!) {\n    restartDatasource(input: $input) {\n      datasource {\n        id\n      }\n    }\n  }\n"): typeof import('./graphql').RestartDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Archive($input: ArchiveDatasourceInput!) {\n    archiveDatasource(input: $input) {\n      datasource {\n        id\n      }\n    }\n  }\n"): typeof import('./graphql').ArchiveDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Restore($input: DatasourceActionInput!) {\n    restoreDatasource(input: $input) {\n      datasource {\n        id\n      }\n    }\n  }\n"): typeof import('./graphql').RestoreDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Check($input: CheckDatasourceInput!) {\n    checkDatasource(input: $input) {\n      success\n      version\n      steps {\n        name\n        success\n        message\n        durationMs\n      }\n    }\n  }\n"): typeof import('./graphql').CheckDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query DeadLetters($id: ID!, $after: String) {\n    deadLetters(id: $id, first: 50, after: $after) {\n      totalCount\n      nodes {\n        id\n        errorCode\n        errorMessage\n        errorPath\n        payload\n        scope\n        version\n        attempts\n        complete\n        createdAt\n        editedAt\n        editedBy\n      }\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n    }\n  }\n"): typeof import('./graphql').DeadLettersDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Replay($input: ReplayDeadLettersInput!) {\n    replayDeadLetters(input: $input) {\n      job {\n        id\n      }\n    }\n  }\n"): typeof import('./graphql').ReplayDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Discard($input: DiscardDeadLettersInput!) {\n    discardDeadLetters(input: $input) {\n      discarded\n    }\n  }\n"): typeof import('./graphql').DiscardDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Events($id: ID!, $after: String, $types: [EventType!]) {\n    datasourceEvents(id: $id, first: 50, after: $after, types: $types) {\n      nodes {\n        id\n        eventType\n        actor\n        version\n        payload\n        createdAt\n      }\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n    }\n  }\n"): typeof import('./graphql').EventsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  fragment JobFields on Job {\n    id\n    kind\n    status\n    version\n    createdAt\n    createdBy\n    errorMessage\n    cancelRequested\n    progress {\n      read\n      delivered\n      failed\n      total\n      rate\n      etaSeconds\n    }\n  }\n"): typeof import('./graphql').JobFieldsFragmentDoc;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Jobs($id: ID!) {\n    datasourceJobs(id: $id, first: 20) {\n      nodes {\n        ...JobFields\n      }\n    }\n  }\n"): typeof import('./graphql').JobsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription WatchJob($id: ID!) {\n    datasourceJob(id: $id) {\n      ...JobFields\n    }\n  }\n"): typeof import('./graphql').WatchJobDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Backfill($input: BackfillDatasourceInput!) {\n    backfillDatasource(input: $input) {\n      job {\n        id\n      }\n    }\n  }\n"): typeof import('./graphql').BackfillDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation CancelJob($input: CancelJobInput!) {\n    cancelJob(input: $input) {\n      job {\n        id\n      }\n    }\n  }\n"): typeof import('./graphql').CancelJobDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation EditLetter($input: EditDeadLetterInput!) {\n    editDeadLetter(input: $input) {\n      deadLetter {\n        id\n      }\n    }\n  }\n"): typeof import('./graphql').EditLetterDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription Logs($id: ID!, $level: LogLevel) {\n    datasourceLogs(id: $id, level: $level) {\n      at\n      level\n      message\n      node\n      version\n      recordId\n      passed\n    }\n  }\n"): typeof import('./graphql').LogsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation LogMore($input: SetDatasourceLogLevelInput!) {\n    setDatasourceLogLevel(input: $input) {\n      datasource {\n        id\n      }\n    }\n  }\n"): typeof import('./graphql').LogMoreDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Update($input: UpdateDatasourceInput!) {\n    updateDatasource(input: $input) {\n      datasource {\n        ...DetailFields\n      }\n    }\n  }\n"): typeof import('./graphql').UpdateDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query MetadataHistory($id: ID!) {\n    datasourceMetadataAudit(id: $id, first: 30) {\n      nodes {\n        id\n        actor\n        createdAt\n        field\n        oldValue\n        newValue\n        reason\n      }\n    }\n  }\n"): typeof import('./graphql').MetadataHistoryDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Metrics($id: ID!, $window: String!) {\n    datasourceMetrics(id: $id, window: $window) {\n      name\n      unit\n      value\n      points {\n        at\n        value\n      }\n    }\n  }\n"): typeof import('./graphql').MetricsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Diff($id: ID!, $from: Int!, $to: Int!) {\n    datasourceVersionDiff(id: $id, from: $from, to: $to) {\n      changes {\n        op\n        path\n        old\n        new\n      }\n    }\n  }\n"): typeof import('./graphql').DiffDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Rollback($input: RollbackDatasourceInput!) {\n    rollbackDatasource(input: $input) {\n      datasource {\n        id\n      }\n    }\n  }\n"): typeof import('./graphql').RollbackDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation DeleteSecret($input: DeleteDatasourceSecretInput!) {\n    deleteDatasourceSecret(input: $input) {\n      secret {\n        key\n      }\n    }\n  }\n"): typeof import('./graphql').DeleteSecretDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Repin($input: DatasourceActionInput!) {\n    repinDatasourceSecrets(input: $input) {\n      datasource {\n        id\n      }\n    }\n  }\n"): typeof import('./graphql').RepinDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Versions($id: ID!, $after: String) {\n    datasource(id: $id) {\n      versions(first: 30, after: $after) {\n        nodes {\n          ...VersionFields\n        }\n        pageInfo {\n          hasNextPage\n          endCursor\n        }\n      }\n    }\n  }\n"): typeof import('./graphql').VersionsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Datasource($id: ID!) {\n    datasource(id: $id) {\n      ...DetailFields\n    }\n  }\n"): typeof import('./graphql').DatasourceDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription State($ids: [ID!]!) {\n    datasourceStates(ids: $ids) {\n      ...StateFields\n    }\n  }\n"): typeof import('./graphql').StateDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription Changes($id: ID!) {\n    datasourceEvents(id: $id) {\n      id\n      eventType\n    }\n  }\n"): typeof import('./graphql').ChangesDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription Records($id: ID!) {\n    datasourceRecords(id: $id) {\n      id\n      kind\n      data\n      version\n      node\n      ingestedAt\n      passed\n    }\n  }\n"): typeof import('./graphql').RecordsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation SaveVersion($input: CreateDatasourceVersionInput!) {\n    createDatasourceVersion(input: $input) {\n      version {\n        version\n      }\n      datasource {\n        ...DetailFields\n      }\n    }\n  }\n"): typeof import('./graphql').SaveVersionDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Publish($input: PublishDatasourceInput!) {\n    publishDatasource(input: $input) {\n      datasource {\n        ...DetailFields\n      }\n    }\n  }\n"): typeof import('./graphql').PublishDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Registry($after: String) {\n    registry {\n      nodes {\n        name\n        role\n        version\n        alive\n        workers\n        startedAt\n        lastHeartbeatAt\n      }\n      workers(first: 50, after: $after) {\n        nodes {\n          datasourceId\n          slot\n          node\n          epoch\n          workerStatus\n          runningVersion\n          errorMessage\n          leaseUntil\n        }\n        pageInfo {\n          hasNextPage\n          endCursor\n        }\n      }\n    }\n  }\n"): typeof import('./graphql').RegistryDocument;


export function graphql(source: string) {
  return (documents as any)[source] ?? {};
}
