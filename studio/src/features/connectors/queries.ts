import { useQuery } from '@tanstack/react-query';
import { request } from '../../api/client';
import { graphql } from '../../api/generated';

const TypesQuery = graphql(`
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
`);

// They change with the server only.
const typesOptions = { queryKey: ['types'], queryFn: () => request(TypesQuery), staleTime: Infinity };

export function useConnectorTypes() {
  return useQuery({ ...typesOptions, select: (data) => data.connectorTypes });
}

export function useSinkTypes() {
  return useQuery({ ...typesOptions, select: (data) => data.sinkTypes });
}
