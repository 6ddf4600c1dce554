import { useDebouncedValue } from '@mantine/hooks';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { request } from '../../api/client';
import { graphql } from '../../api/generated';

const TestMutation = graphql(`
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
`);

const ValidateQuery = graphql(`
  query Validate($type: String!, $config: JSON!) {
    validateConfig(type: $type, config: $config) {
      pointer
      message
    }
  }
`);

export { TestMutation };

/** Everything that is wrong with a configuration, a moment after it was changed. */
export function useProblems(type: string, config: unknown) {
  const [settled] = useDebouncedValue(config, 300);
  const query = useQuery({
    queryKey: ['validate', type, settled],
    queryFn: async () => (await request(ValidateQuery, { type, config: settled })).validateConfig,
    placeholderData: keepPreviousData,
    staleTime: Infinity,
  });
  return { problems: query.data ?? [], settled: settled === config && !query.isFetching, error: query.error };
}

/** What a configuration makes of a payload, tried on the server a moment after either was changed. */
export function usePreview(id: string, config: unknown, payload: unknown, enabled: boolean) {
  const [settled] = useDebouncedValue({ config, payload }, 450);
  return useQuery({
    queryKey: ['preview', id, settled.config, settled.payload],
    queryFn: async () => {
      const input = { id, configOverride: settled.config, payload: settled.payload, fetch: false };
      return (await request(TestMutation, { input })).testDatasource.run;
    },
    enabled: enabled && settled.payload !== undefined,
    placeholderData: keepPreviousData,
    staleTime: Infinity,
    retry: false,
  });
}
