DROP FUNCTION studio.drop_event_month(date);
DROP TABLE audit.audit_checkpoints;
DROP POLICY registry ON orgs;
REVOKE SELECT (org_id, audit_seq) ON orgs FROM studio_registry;
-- The triggers go with it. Partitions that are made from now on have no use for one.
DROP FUNCTION studio.refuse_change() CASCADE;
CREATE OR REPLACE FUNCTION studio.ensure_event_partitions(months_ahead integer) RETURNS integer
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
