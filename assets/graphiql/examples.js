// The tabs of a first visit: one feed from nothing to its events.
"use strict";

const studioExamples = (() => {
  const { origin } = window.location;

  const list = `# The datasources that you may see.
# Ctrl-Enter runs, Ctrl-Space completes; the token is
# in the Headers pane below. After you change it, press
# the round arrows on the left to load the schema.
query ListDatasources {
  datasources(first: 20) {
    totalCount
    nodes {
      id
      name
      type
      status
      tags
      currentVersion {
        version
        comment
      }
      state {
        desired
        workerStatus
        runningVersion
        lastRecordAt
        errorMessage
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
`;

  const create = `# A new datasource is a draft: it has no version yet
# and runs nothing.
mutation CreateWebhook($input: CreateDatasourceInput!) {
  createDatasource(input: $input) {
    datasource {
      id
      name
      status
      revision
    }
  }
}
`;

  const draft = `# A version is a configuration, checked as a whole before
# it is stored; nobody can change it afterwards. Put the
# id of your datasource into the variables.
mutation CreateVersion($input: CreateDatasourceVersionInput!) {
  createDatasourceVersion(input: $input) {
    version {
      version
      state
      checksum
    }
  }
}
`;

  const test = `# Maps a payload as the worker would, in a sandbox:
# nothing is delivered. Without a payload, the example of
# the connector is used.
mutation Test($input: TestDatasourceInput!) {
  testDatasource(input: $input) {
    run {
      success
      outputs {
        id
        kind
        data
      }
      errors {
        record
        path
        message
      }
      warnings
    }
  }
}
`;

  const publish = `# Publishing starts the worker, or swaps a running one
# to the new version. Then send it something:
#   curl ${origin}/hooks/ID \\
#     -H 'content-type: application/json' \\
#     -d '{"id": "1", "text": "hello"}'
mutation Publish($input: PublishDatasourceInput!) {
  publishDatasource(input: $input) {
    datasource {
      id
      status
      currentVersion {
        version
        publishedAt
      }
    }
  }
}
`;

  const subscribe = `# Stays open and shows what happens to one datasource,
# as it happens.
subscription WatchEvents($id: ID!) {
  datasourceEvents(id: $id) {
    id
    eventType
    version
    actor
    payload
    createdAt
  }
}
`;

  const config = {
    connector: { type: "webhook", auth: { type: "none" } },
    mapping: {
      outputs: [{ kind: "message", id: "$.id", fields: { text: "$.text" } }],
    },
    delivery: { sink: { type: "jsonl" } },
  };

  const tab = (query, variables) => ({ query, variables: JSON.stringify(variables, null, 2) });
  return [
    // GraphiQL starts the first tab without its variables, so this one has none.
    { query: list },
    tab(create, { input: { name: "my-first-webhook", type: "webhook", tags: ["demo"] } }),
    tab(draft, { input: { id: "", config, comment: "First draft" } }),
    tab(test, { input: { id: "", payload: { id: "1", text: "hello" } } }),
    tab(publish, { input: { id: "", version: 1, comment: "Go live" } }),
    tab(subscribe, { id: "" }),
  ];
})();
