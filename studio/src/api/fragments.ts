import { graphql } from './generated';

/** What a row of the catalog shows. */
export const RowFields = graphql(`
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
`);

export const StateFields = graphql(`
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
`);

export const VersionFields = graphql(`
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
`);

/** What the page of a datasource shows. */
export const DetailFields = graphql(`
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
`);
