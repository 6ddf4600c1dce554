import { useSuspenseQuery } from '@tanstack/react-query';
import { request } from './client';
import { graphql } from './generated';

const ViewerQuery = graphql(`
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
`);

export type Permission =
  | 'datasource:edit'
  | 'datasource:test'
  | 'datasource:operate'
  | 'dead_letter:handle'
  | 'datasource:publish'
  | 'datasource:archive'
  | 'secret:manage'
  | 'metadata:manage'
  | 'registry:read'
  | 'audit:read';

export const viewerOptions = {
  queryKey: ['viewer'],
  queryFn: async () => (await request(ViewerQuery)).viewer,
  staleTime: 5 * 60_000,
};

export function useViewer() {
  return useSuspenseQuery(viewerOptions).data;
}

/** What the caller may do, so that nothing is offered that would be refused. */
export function useCan(): (permission: Permission) => boolean {
  const { permissions } = useViewer();
  return (permission) => permissions.includes(permission);
}
