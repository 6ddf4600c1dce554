-- The processes that share this database; each says from time to time, by the database's clock, that it lives.
CREATE TABLE nodes (
    name text NOT NULL PRIMARY KEY,
    -- Which process it is: two under one name would take each other's work.
    instance {uuid} NOT NULL,
    role text NOT NULL,
    version text NOT NULL,
    started_at {ts} NOT NULL,
    last_heartbeat_at {ts} NOT NULL,
    alive_until {ts} NOT NULL
);

-- Workers of one datasource: the first has its lease in datasource_state, each further one here.
ALTER TABLE datasource_state ADD COLUMN parallelism integer NOT NULL DEFAULT 1;
CREATE INDEX datasource_state_by_node ON datasource_state (node);
CREATE TABLE worker_slots (
    datasource_id {uuid} NOT NULL REFERENCES datasources (id),
    slot integer NOT NULL,
    org_id text NOT NULL,
    project_id text NOT NULL,
    observed text NOT NULL,
    running_version integer,
    node text,
    lease_epoch bigint NOT NULL,
    lease_until {ts},
    last_heartbeat_at {ts},
    error_code text,
    error_message text,
    restart_count integer NOT NULL,
    checkpoint {json},
    updated_at {ts} NOT NULL,
    PRIMARY KEY (datasource_id, slot)
);
CREATE INDEX worker_slots_by_node ON worker_slots (node);
