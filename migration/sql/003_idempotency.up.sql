-- What a POST with an Idempotency-Key did. The row commits with the change
-- itself; the answer is filled in right after.
CREATE TABLE idempotency_keys (
    org_id text NOT NULL,
    principal text NOT NULL,
    idempotency_key text NOT NULL,
    method text NOT NULL,
    path text NOT NULL,
    -- HMAC of the request: a plain hash would let a reader of the table guess a short secret in a body.
    fingerprint {bytes} NOT NULL,
    datasource_id {uuid},
    version integer,
    status integer,
    location text,
    etag text,
    body text,
    created_at {ts} NOT NULL,
    PRIMARY KEY (org_id, principal, idempotency_key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
