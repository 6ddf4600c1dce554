-- What of an organisation, or of one of its projects, needs a second person.
CREATE TABLE approval_policies (
    org_id text NOT NULL,
    -- Empty: all projects.
    project_id text NOT NULL,
    publish boolean NOT NULL,
    "rollback" boolean NOT NULL,
    secret_change boolean NOT NULL,
    approvers integer NOT NULL,
    expires_after bigint NOT NULL,
    imports_exempt boolean NOT NULL,
    updated_at {ts} NOT NULL,
    updated_by text NOT NULL,
    PRIMARY KEY (org_id, project_id)
);

-- What somebody asked a second person to agree to, pinned as it was then.
CREATE TABLE approvals (
    id {uuid} NOT NULL PRIMARY KEY,
    org_id text NOT NULL,
    project_id text NOT NULL,
    datasource_id {uuid} NOT NULL REFERENCES datasources (id),
    action text NOT NULL,
    version integer,
    checksum text,
    -- The author of the version, who cannot approve it.
    author text,
    -- The value that waits is the row of datasource_secrets with this key and version. It is marked as deleted
    -- until it is approved, so that no reader of secrets takes it for one that counts.
    secret_key text,
    secret_version integer,
    -- Where the value is, if it is kept elsewhere.
    secret_reference text,
    repin boolean NOT NULL,
    secret_pins {json} NOT NULL,
    test_event bigint,
    test_digest text,
    test_success boolean,
    status text NOT NULL,
    reason text,
    comment text,
    required integer NOT NULL,
    decisions {json} NOT NULL,
    requested_at {ts} NOT NULL,
    requested_by text NOT NULL,
    expires_at {ts} NOT NULL,
    closed_at {ts}
);
CREATE INDEX approvals_by_org ON approvals (org_id, id);
CREATE INDEX approvals_by_datasource ON approvals (datasource_id, id);
CREATE INDEX approvals_due ON approvals (expires_at) WHERE closed_at IS NULL;
CREATE UNIQUE INDEX approvals_one_open_of_version ON approvals (datasource_id, version)
    WHERE closed_at IS NULL AND version IS NOT NULL;
CREATE UNIQUE INDEX approvals_one_open_of_secret ON approvals (datasource_id, secret_key)
    WHERE closed_at IS NULL AND secret_key IS NOT NULL;

-- When what a version shows of its approval ends; nothing, where that does not end.
ALTER TABLE datasource_versions ADD COLUMN approval_until {ts};
