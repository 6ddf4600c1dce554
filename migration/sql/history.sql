-- What was applied to this database, with the checksum that the scripts had then.
CREATE TABLE IF NOT EXISTS migration_history (
    name text NOT NULL PRIMARY KEY,
    category text NOT NULL,
    checksum text NOT NULL,
    applied_at {ts} NOT NULL,
    -- Absent where a build applied it that did not measure.
    duration_ms bigint,
    build text NOT NULL
);
