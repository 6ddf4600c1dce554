-- Which key of which service wraps a data key, and since when.
ALTER TABLE data_keys ADD COLUMN provider text NOT NULL DEFAULT 'local';
ALTER TABLE data_keys ADD COLUMN master_key_version text;
ALTER TABLE data_keys ADD COLUMN wrapped_at {ts};
CREATE INDEX data_keys_by_org ON data_keys (org_id, id);
CREATE INDEX datasource_secrets_by_data_key ON datasource_secrets (data_key_id);

-- The value is elsewhere, and this says where; the ciphertext holds the same words, so that nobody can change them here.
ALTER TABLE datasource_secrets ADD COLUMN reference text;

-- Keys on their way to others. What is left to do is in the other tables; this says how far it got, and who does it.
CREATE TABLE key_rotations (
    id {uuid} NOT NULL PRIMARY KEY,
    org_id text NOT NULL,
    kind text NOT NULL,
    status text NOT NULL,
    -- The data key that takes over; absent where data keys are only wrapped anew.
    data_key_id {uuid} REFERENCES data_keys (id),
    total bigint NOT NULL,
    done bigint NOT NULL,
    error_message text,
    reason text,
    node text,
    epoch bigint NOT NULL,
    lease_until {ts},
    created_at {ts} NOT NULL,
    created_by text NOT NULL,
    finished_at {ts},
    updated_at {ts} NOT NULL
);
CREATE UNIQUE INDEX key_rotations_one_open ON key_rotations (org_id) WHERE finished_at IS NULL;
CREATE INDEX key_rotations_by_org ON key_rotations (org_id, id);
