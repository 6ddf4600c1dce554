CREATE INDEX datasources_tags ON datasources USING gin (tags jsonb_path_ops);

-- Free text search by trigrams where the extension may be created; without it the search still answers, by a scan.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;
    CREATE INDEX datasources_search ON datasources USING gin (search_text public.gin_trgm_ops);
EXCEPTION WHEN insufficient_privilege OR undefined_file OR feature_not_supported THEN
    RAISE NOTICE 'pg_trgm is not available: free text search will scan';
END $$;

CREATE TABLE datasource_events (
    org_id text NOT NULL,
    seq bigint NOT NULL,
    project_id text NOT NULL,
    datasource_id uuid NOT NULL,
    version integer,
    event_type text NOT NULL,
    actor text NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, seq, created_at)
) PARTITION BY RANGE (created_at);
CREATE INDEX datasource_events_by_datasource ON datasource_events (org_id, datasource_id, seq);

-- Catches a row for which no month was prepared, so that a clock that is off never loses an event.
CREATE TABLE datasource_events_default PARTITION OF datasource_events DEFAULT;

CREATE FUNCTION studio.ensure_event_partitions(months_ahead integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = studio, pg_temp AS $$
DECLARE
    month date;
    part text;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('studio.ensure_event_partitions'));
    FOR i IN 0..months_ahead LOOP
        month := (date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => i))::date;
        part := 'datasource_events_' || to_char(month, 'YYYY_MM');
        IF to_regclass('studio.' || part) IS NULL THEN
            EXECUTE format(
                'CREATE TABLE studio.%I PARTITION OF studio.datasource_events FOR VALUES FROM (%L) TO (%L)',
                part, month::timestamp AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END $$;
SELECT studio.ensure_event_partitions(3);
