-- Where stakeholders are told of changes. The timeline is the outbox: an endpoint only remembers how far on it it is.
CREATE TABLE notification_endpoints (
    id {uuid} NOT NULL PRIMARY KEY,
    org_id text NOT NULL,
    url text NOT NULL,
    description text NOT NULL,
    filter {json} NOT NULL,
    active boolean NOT NULL,
    -- Why the server switched it off.
    disabled_reason text,
    -- Since when no attempt succeeded.
    failing_since {ts},
    -- The last event that it was looked at for.
    event_cursor bigint NOT NULL,
    -- Who serves it, for how long, and when that last began.
    node text,
    epoch bigint NOT NULL,
    lease_until {ts},
    served_at {ts} NOT NULL,
    created_at {ts} NOT NULL,
    created_by text NOT NULL,
    updated_at {ts} NOT NULL,
    updated_by text NOT NULL
);
CREATE INDEX notification_endpoints_by_org ON notification_endpoints (org_id, id);
CREATE INDEX notification_endpoints_active ON notification_endpoints (served_at) WHERE active;

-- What signs for an endpoint: the newest, and until they expire those before it.
CREATE TABLE notification_secrets (
    id {uuid} NOT NULL PRIMARY KEY,
    org_id text NOT NULL,
    endpoint_id {uuid} NOT NULL REFERENCES notification_endpoints (id) ON DELETE CASCADE,
    version integer NOT NULL,
    ciphertext {bytes} NOT NULL,
    data_key_id {uuid} NOT NULL REFERENCES data_keys (id),
    created_at {ts} NOT NULL,
    created_by text NOT NULL,
    expires_at {ts},
    UNIQUE (endpoint_id, version)
);
CREATE INDEX notification_secrets_by_org ON notification_secrets (org_id, id);
CREATE INDEX notification_secrets_by_data_key ON notification_secrets (data_key_id);

-- One message for one endpoint. Its id is the webhook-id of all attempts, its body the bytes that are signed.
CREATE TABLE notification_deliveries (
    id {uuid} NOT NULL PRIMARY KEY,
    org_id text NOT NULL,
    endpoint_id {uuid} NOT NULL REFERENCES notification_endpoints (id) ON DELETE CASCADE,
    -- Absent for a test.
    event_seq bigint,
    event_type text NOT NULL,
    datasource_id {uuid},
    body text NOT NULL,
    status text NOT NULL,
    -- Of this round; a redelivery begins another one.
    attempts integer NOT NULL,
    -- Absent: at once.
    next_attempt_at {ts},
    created_at {ts} NOT NULL,
    finished_at {ts}
);
-- An event is told to an endpoint once, whoever tries to do it again.
CREATE UNIQUE INDEX notification_deliveries_once ON notification_deliveries (endpoint_id, event_seq)
    WHERE event_seq IS NOT NULL;
CREATE INDEX notification_deliveries_by_org ON notification_deliveries (org_id, id);
CREATE INDEX notification_deliveries_by_endpoint ON notification_deliveries (endpoint_id, id);
CREATE INDEX notification_deliveries_pending ON notification_deliveries (endpoint_id, id) WHERE status = 'pending';
CREATE INDEX notification_deliveries_finished ON notification_deliveries (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE notification_attempts (
    id {uuid} NOT NULL PRIMARY KEY,
    org_id text NOT NULL,
    delivery_id {uuid} NOT NULL REFERENCES notification_deliveries (id) ON DELETE CASCADE,
    started_at {ts} NOT NULL,
    duration_ms bigint NOT NULL,
    response_status integer,
    -- The beginning of the answer.
    response text,
    error text,
    node text NOT NULL
);
CREATE INDEX notification_attempts_by_delivery ON notification_attempts (delivery_id, id);
