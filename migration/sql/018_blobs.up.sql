-- Large things that lie in a directory or an object store: where, and what they must be. A blob is there before its
-- row, and its row is gone before it.
CREATE TABLE blobs (
    id {uuid} NOT NULL PRIMARY KEY,
    org_id text NOT NULL,
    kind text NOT NULL,
    location text NOT NULL,
    size bigint NOT NULL,
    sha256 text NOT NULL,
    created_at {ts} NOT NULL,
    created_by text NOT NULL,
    -- Absent: as long as something refers to it.
    keep_until {ts},
    -- Set by who runs the database: it is kept, whatever its time is.
    legal_hold boolean NOT NULL DEFAULT FALSE
);
CREATE INDEX blobs_due ON blobs (keep_until) WHERE keep_until IS NOT NULL;
CREATE INDEX blobs_by_kind ON blobs (kind, created_at);

-- Where a sample is too long to be in its row, which then has an empty payload.
ALTER TABLE test_samples ADD COLUMN blob_id {uuid};
CREATE INDEX test_samples_by_blob ON test_samples (blob_id) WHERE blob_id IS NOT NULL;

-- Bundles of datasources as files, made in the background. A node that takes one raises its epoch.
CREATE TABLE exports (
    id {uuid} NOT NULL PRIMARY KEY,
    org_id text NOT NULL,
    project_id text,
    status text NOT NULL,
    total bigint NOT NULL,
    done bigint NOT NULL,
    error_message text,
    reason text,
    blob_id {uuid} REFERENCES blobs (id),
    node text,
    epoch bigint NOT NULL,
    lease_until {ts},
    created_at {ts} NOT NULL,
    created_by text NOT NULL,
    finished_at {ts}
);
CREATE INDEX exports_by_org ON exports (org_id, id);
CREATE INDEX exports_open ON exports (id) WHERE finished_at IS NULL;
CREATE INDEX exports_by_blob ON exports (blob_id) WHERE blob_id IS NOT NULL;
