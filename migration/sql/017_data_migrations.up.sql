-- How far the migrations of data are that run in the background. A node that takes one raises its epoch, by which
-- its writes are fenced.
CREATE TABLE data_migrations (
    name text NOT NULL PRIMARY KEY,
    total bigint NOT NULL,
    done bigint NOT NULL,
    error_message text,
    node text,
    epoch bigint NOT NULL,
    lease_until {ts},
    started_at {ts} NOT NULL,
    updated_at {ts} NOT NULL
);

-- Bytes of the payload, so that a quota is counted without reading every payload. DM001_sample_sizes fills it for
-- the samples that are there; its index empties itself meanwhile.
ALTER TABLE test_samples ADD COLUMN size bigint;
CREATE INDEX test_samples_unmeasured ON test_samples (org_id, id) WHERE size IS NULL;
