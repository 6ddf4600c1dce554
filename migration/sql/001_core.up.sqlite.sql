CREATE TABLE datasource_events (
    org_id text NOT NULL,
    seq bigint NOT NULL,
    project_id text NOT NULL,
    datasource_id uuid_text NOT NULL,
    version integer,
    event_type text NOT NULL,
    actor text NOT NULL,
    payload jsonb_text NOT NULL,
    created_at timestamp_with_timezone_text NOT NULL,
    PRIMARY KEY (org_id, seq)
);
CREATE INDEX datasource_events_by_datasource ON datasource_events (org_id, datasource_id, seq);
