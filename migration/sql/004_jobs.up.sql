-- What was kept: the failed record, or the whole document where all of it failed.
ALTER TABLE dead_letters ADD COLUMN scope text NOT NULL DEFAULT 'document';
ALTER TABLE dead_letters ADD COLUMN attempts integer NOT NULL DEFAULT 0;
ALTER TABLE dead_letters ADD COLUMN edited_at {ts};
ALTER TABLE dead_letters ADD COLUMN edited_by text;
CREATE INDEX dead_letters_by_age ON dead_letters (created_at);

-- A raised level ends by itself, so that nobody has to remember it.
ALTER TABLE datasource_state ADD COLUMN log_level text;
ALTER TABLE datasource_state ADD COLUMN log_level_until {ts};

-- Bounded work beside the live workers. A node that takes one raises its epoch, by which its writes are fenced.
CREATE TABLE jobs (
    id {uuid} NOT NULL PRIMARY KEY,
    org_id text NOT NULL,
    project_id text NOT NULL,
    datasource_id {uuid} NOT NULL REFERENCES datasources (id),
    kind text NOT NULL,
    task {json} NOT NULL,
    status text NOT NULL,
    version integer NOT NULL,
    checkpoint {json},
    progress {json} NOT NULL,
    error_code text,
    error_message text,
    cancel_requested boolean NOT NULL,
    failures integer NOT NULL,
    not_before {ts},
    node text,
    epoch bigint NOT NULL,
    lease_until {ts},
    created_at {ts} NOT NULL,
    created_by text NOT NULL,
    started_at {ts},
    finished_at {ts},
    updated_at {ts} NOT NULL
);
CREATE INDEX jobs_by_datasource ON jobs (org_id, datasource_id, id);
CREATE INDEX jobs_open ON jobs (id) WHERE finished_at IS NULL;
