-- What an organisation may have at most, where that is not what the settings say.
CREATE TABLE org_quotas (
    org_id text NOT NULL,
    name text NOT NULL,
    -- Absent: no limit.
    most bigint,
    updated_at {ts} NOT NULL,
    updated_by text NOT NULL,
    PRIMARY KEY (org_id, name)
);
