-- A role on one project or one datasource, on top of what a token grants.
CREATE TABLE access_grants (
    id {uuid} NOT NULL PRIMARY KEY,
    org_id text NOT NULL,
    principal_kind text NOT NULL,
    principal text NOT NULL,
    -- That of the datasource, where the grant is for one.
    project_id text NOT NULL,
    datasource_id {uuid} REFERENCES datasources (id),
    role text NOT NULL,
    created_at {ts} NOT NULL,
    created_by text NOT NULL
);
CREATE UNIQUE INDEX access_grants_on_projects ON access_grants (org_id, principal_kind, principal, project_id)
    WHERE datasource_id IS NULL;
CREATE UNIQUE INDEX access_grants_on_datasources ON access_grants (org_id, principal_kind, principal, datasource_id)
    WHERE datasource_id IS NOT NULL;
