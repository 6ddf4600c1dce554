-- One row per organisation: the counters and the chain head that give events
-- and audit entries their order. Its lock is held from numbering to commit, so
-- that numbers become visible in order and without gaps.
CREATE TABLE orgs (
    org_id text NOT NULL PRIMARY KEY,
    event_seq bigint NOT NULL DEFAULT 0,
    event_floor bigint NOT NULL DEFAULT 0,
    audit_seq bigint NOT NULL DEFAULT 0,
    audit_head text NOT NULL,
    created_at {ts} NOT NULL
);

CREATE TABLE data_keys (
    id {uuid} NOT NULL PRIMARY KEY,
    org_id text NOT NULL,
    wrapped {bytes} NOT NULL,
    master_key_id text NOT NULL,
    active boolean NOT NULL,
    created_at {ts} NOT NULL
);
CREATE UNIQUE INDEX data_keys_one_active ON data_keys (org_id) WHERE active;

CREATE TABLE datasources (
    id {uuid} NOT NULL PRIMARY KEY,
    org_id text NOT NULL,
    project_id text NOT NULL,
    name text NOT NULL,
    connector_type text NOT NULL,
    description text NOT NULL,
    owner text NOT NULL,
    team text,
    category text,
    tags {json} NOT NULL,
    search_text text NOT NULL,
    status text NOT NULL,
    revision bigint NOT NULL,
    current_version integer,
    latest_version integer NOT NULL,
    created_at {ts} NOT NULL,
    created_by text NOT NULL,
    updated_at {ts} NOT NULL,
    updated_by text NOT NULL,
    archived_at {ts}
);
CREATE UNIQUE INDEX datasources_name ON datasources (org_id, project_id, name) WHERE archived_at IS NULL;
CREATE INDEX datasources_by_name ON datasources (org_id, name, id);
CREATE INDEX datasources_by_created ON datasources (org_id, created_at, id);
CREATE INDEX datasources_by_updated ON datasources (org_id, updated_at, id);
CREATE INDEX datasources_by_status ON datasources (org_id, status);
CREATE INDEX datasources_by_type ON datasources (org_id, connector_type);
CREATE INDEX datasources_by_owner ON datasources (org_id, owner);

CREATE TABLE datasource_versions (
    id {uuid} NOT NULL PRIMARY KEY,
    org_id text NOT NULL,
    project_id text NOT NULL,
    datasource_id {uuid} NOT NULL REFERENCES datasources (id),
    version integer NOT NULL,
    state text NOT NULL,
    -- Canonical JSON as text: jsonb would respell numbers, and the checksum covers every byte.
    config text NOT NULL,
    connector_schema_version integer NOT NULL,
    checksum text NOT NULL,
    comment text,
    secret_pins {json} NOT NULL,
    approval text NOT NULL,
    approved_by text,
    approved_at {ts},
    created_at {ts} NOT NULL,
    created_by text NOT NULL,
    published_at {ts},
    published_by text,
    UNIQUE (datasource_id, version)
);
CREATE UNIQUE INDEX datasource_versions_one_published ON datasource_versions (datasource_id) WHERE state = 'published';

CREATE TABLE datasource_state (
    datasource_id {uuid} NOT NULL PRIMARY KEY REFERENCES datasources (id),
    org_id text NOT NULL,
    project_id text NOT NULL,
    desired text NOT NULL,
    observed text NOT NULL,
    generation bigint NOT NULL,
    running_version integer,
    node text,
    lease_epoch bigint NOT NULL,
    lease_until {ts},
    last_heartbeat_at {ts},
    last_record_at {ts},
    error_code text,
    error_message text,
    restart_count integer NOT NULL,
    checkpoint {json},
    metrics {json} NOT NULL,
    updated_at {ts} NOT NULL
);
CREATE INDEX datasource_state_desired ON datasource_state (desired, lease_until);

CREATE TABLE datasource_secrets (
    id {uuid} NOT NULL PRIMARY KEY,
    org_id text NOT NULL,
    project_id text NOT NULL,
    datasource_id {uuid} NOT NULL REFERENCES datasources (id),
    secret_key text NOT NULL,
    version integer NOT NULL,
    -- Emptied when the secret is deleted; the row stays so that a version number is never used twice.
    ciphertext {bytes},
    data_key_id {uuid} NOT NULL REFERENCES data_keys (id),
    created_at {ts} NOT NULL,
    created_by text NOT NULL,
    deleted_at {ts},
    deleted_by text,
    UNIQUE (datasource_id, secret_key, version)
);

CREATE TABLE test_samples (
    id {uuid} NOT NULL PRIMARY KEY,
    org_id text NOT NULL,
    project_id text NOT NULL,
    datasource_id {uuid} NOT NULL REFERENCES datasources (id),
    name text NOT NULL,
    payload text NOT NULL,
    created_at {ts} NOT NULL,
    created_by text NOT NULL,
    UNIQUE (datasource_id, name)
);

CREATE TABLE dead_letters (
    id {uuid} NOT NULL PRIMARY KEY,
    org_id text NOT NULL,
    project_id text NOT NULL,
    datasource_id {uuid} NOT NULL REFERENCES datasources (id),
    version integer NOT NULL,
    error_code text NOT NULL,
    error_path text NOT NULL,
    error_message text NOT NULL,
    payload text NOT NULL,
    truncated boolean NOT NULL,
    created_at {ts} NOT NULL
);
CREATE INDEX dead_letters_by_datasource ON dead_letters (org_id, datasource_id, id);

CREATE TABLE {audit}audit_entries (
    org_id text NOT NULL,
    seq bigint NOT NULL,
    project_id text NOT NULL,
    datasource_id {uuid},
    action text NOT NULL,
    actor text NOT NULL,
    source_address text,
    request_id text NOT NULL,
    reason text,
    outcome text NOT NULL,
    field text,
    -- Canonical JSON as text, like a version's config: the hash covers every byte.
    old_value text NOT NULL,
    new_value text NOT NULL,
    created_at {ts} NOT NULL,
    prev_hash text NOT NULL,
    hash text NOT NULL,
    PRIMARY KEY (org_id, seq)
);
CREATE INDEX audit_entries_by_datasource ON {audit}audit_entries (org_id, datasource_id, seq);
