-- The heads of the chains of audit entries, signed from time to time: whoever rewrites a chain cannot rewrite these.
CREATE TABLE {audit}audit_checkpoints (
    org_id text NOT NULL,
    seq bigint NOT NULL,
    hash text NOT NULL,
    previous bigint NOT NULL,
    created_at {ts} NOT NULL,
    algorithm text NOT NULL,
    key_id text NOT NULL,
    public_key text NOT NULL,
    signature text NOT NULL,
    PRIMARY KEY (org_id, seq)
);
