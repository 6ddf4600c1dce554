import { useQueryClient, useSuspenseQuery } from '@tanstack/react-query';
import { notFound } from '@tanstack/react-router';
import { request } from '../../api/client';
import { graphql } from '../../api/generated';
import type { DetailFieldsFragment, RecordsSubscription as Records } from '../../api/generated/graphql';
import { useSubscription } from '../../api/live';

const DatasourceQuery = graphql(`
  query Datasource($id: ID!) {
    datasource(id: $id) {
      ...DetailFields
    }
  }
`);

const StateSubscription = graphql(`
  subscription State($ids: [ID!]!) {
    datasourceStates(ids: $ids) {
      ...StateFields
    }
  }
`);

const ChangeSubscription = graphql(`
  subscription Changes($id: ID!) {
    datasourceEvents(id: $id) {
      id
      eventType
    }
  }
`);

export const RecordsSubscription = graphql(`
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
`);

export const SaveVersionMutation = graphql(`
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
`);

export const PublishMutation = graphql(`
  mutation Publish($input: PublishDatasourceInput!) {
    publishDatasource(input: $input) {
      datasource {
        ...DetailFields
      }
    }
  }
`);

export type Detail = DetailFieldsFragment;
export type Tapped = Records['datasourceRecords'];

export const detailKey = (id: string) => ['datasource', id];

export function useDatasource(id: string): Detail {
  return useSuspenseQuery({
    queryKey: detailKey(id),
    queryFn: async () => {
      const { datasource } = await request(DatasourceQuery, { id });
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- how the router says so
      if (!datasource) throw notFound();
      return datasource;
    },
  }).data;
}

/** The state of the worker as it changes, kept in the datasource that everybody reads. */
export function useLiveState(datasource: Detail): Detail['state'] {
  const queries = useQueryClient();
  const { id } = datasource;
  useSubscription(StateSubscription, { ids: [id] }, ({ datasourceStates: state }) =>
    queries.setQueryData<Detail>(detailKey(id), (before) => before && { ...before, state }),
  );
  return datasource.state;
}

/** Reads again what somebody, or a worker, changed. */
export function useLiveChanges(id: string): void {
  const queries = useQueryClient();
  useSubscription(ChangeSubscription, { id }, () => {
    for (const key of ['datasource', 'versions', 'events', 'jobs', 'dead-letters']) {
      void queries.invalidateQueries({ queryKey: [key, id] });
    }
  });
}
