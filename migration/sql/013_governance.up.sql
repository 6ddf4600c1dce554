-- What people say of a datasource while it runs, beside owner, team, category and tags.
ALTER TABLE datasources ADD COLUMN lifecycle text NOT NULL DEFAULT 'draft';
ALTER TABLE datasources ADD COLUMN visibility {json} NOT NULL DEFAULT '{"communities":[],"groups":[]}';
-- Whether it is shown to some only: those are in datasource_audience.
ALTER TABLE datasources ADD COLUMN restricted boolean NOT NULL DEFAULT false;
ALTER TABLE datasources ADD COLUMN sla {json};
ALTER TABLE datasources ADD COLUMN records_per_second integer;
CREATE INDEX datasources_restricted ON datasources (org_id, id) WHERE restricted;

-- To whom a restricted datasource is shown; the same as its column visibility, so that a query can ask for it.
CREATE TABLE datasource_audience (
    org_id text NOT NULL,
    datasource_id {uuid} NOT NULL REFERENCES datasources (id),
    -- community or group
    kind text NOT NULL,
    name text NOT NULL,
    PRIMARY KEY (datasource_id, kind, name)
);

-- The metadata from each revision on that changed it.
CREATE TABLE datasource_metadata_history (
    org_id text NOT NULL,
    project_id text NOT NULL,
    datasource_id {uuid} NOT NULL REFERENCES datasources (id),
    revision bigint NOT NULL,
    snapshot {json} NOT NULL,
    reason text,
    created_at {ts} NOT NULL,
    created_by text NOT NULL,
    PRIMARY KEY (datasource_id, revision)
);

-- What the metadata of an organisation must be like.
CREATE TABLE governance_rules (
    org_id text NOT NULL PRIMARY KEY,
    revision bigint NOT NULL,
    rules {json} NOT NULL,
    updated_at {ts} NOT NULL,
    updated_by text NOT NULL
);
