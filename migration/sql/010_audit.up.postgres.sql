SELECT studio.protect('audit.audit_checkpoints', 'SELECT, INSERT');

-- Which organisations have something new to sign, and nothing else of them.
CREATE POLICY registry ON orgs FOR SELECT TO studio_registry USING (true);
GRANT SELECT (org_id, audit_seq) ON orgs TO studio_registry;
CREATE POLICY registry ON audit.audit_checkpoints FOR SELECT TO studio_registry USING (true);
GRANT SELECT (org_id, seq) ON audit.audit_checkpoints TO studio_registry;

-- What happened is not changed by anybody, its owner included. Who may disable a trigger still can:
-- then the chain and its checkpoints tell.
CREATE FUNCTION studio.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit.audit_entries
    FOR EACH ROW EXECUTE FUNCTION studio.refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON audit.audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION studio.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit.audit_checkpoints
    FOR EACH ROW EXECUTE FUNCTION studio.refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON audit.audit_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION studio.refuse_change();
-- Every partition, also one to come, gets the first of these by itself; the second has to be made for each.
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON datasource_events
    FOR EACH ROW EXECUTE FUNCTION studio.refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON datasource_events
    FOR EACH STATEMENT EXECUTE FUNCTION studio.refuse_change();
DO $$
DECLARE
    part regclass;
BEGIN
    FOR part IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'studio.datasource_events'::regclass LOOP
        EXECUTE format('CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON %s
            FOR EACH STATEMENT EXECUTE FUNCTION studio.refuse_change()', part);
    END LOOP;
END $$;

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
            EXECUTE format('CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON studio.%I
                FOR EACH STATEMENT EXECUTE FUNCTION studio.refuse_change()', part);
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END $$;

-- How events end: by whole months that are over, and by the owner alone. Readers of the feed are told of the gap.
CREATE FUNCTION studio.drop_event_month(month date) RETURNS void
LANGUAGE plpgsql SET search_path = studio, pg_temp AS $$
DECLARE
    part CONSTANT text := 'datasource_events_' || to_char(month, 'YYYY_MM');
BEGIN
    IF date_trunc('month', month) >= date_trunc('month', now() AT TIME ZONE 'UTC') THEN
        RAISE EXCEPTION 'the month of % is not over', month;
    END IF;
    IF to_regclass('studio.' || part) IS NULL THEN
        RAISE EXCEPTION 'there is no partition %', part;
    END IF;
    -- The wall around organisations binds the owner too.
    ALTER TABLE orgs NO FORCE ROW LEVEL SECURITY;
    EXECUTE format('UPDATE orgs SET event_floor = greatest(event_floor, gone.seq)
        FROM (SELECT org_id, max(seq) AS seq FROM studio.%I GROUP BY org_id) gone WHERE orgs.org_id = gone.org_id', part);
    ALTER TABLE orgs FORCE ROW LEVEL SECURITY;
    EXECUTE format('DROP TABLE studio.%I', part);
END $$;
REVOKE EXECUTE ON FUNCTION studio.drop_event_month(date) FROM PUBLIC;
