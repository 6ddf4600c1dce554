-- A second wall behind the WHERE clauses of the program: row-level security.
--
-- Two roles that own nothing and cannot log in. The transaction of a use-case takes studio_runtime, which sees the rows
-- of the organisation that app.org_id names; the registry's bookkeeping takes studio_registry, which sees the rows of
-- all organisations, but only of the tables that it needs. Roles belong to the cluster: databases share them.
DO $$
DECLARE
    needed text;
BEGIN
    FOREACH needed IN ARRAY ARRAY['studio_runtime', 'studio_registry'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = needed) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT', needed);
            EXCEPTION
                WHEN duplicate_object OR unique_violation THEN
                    NULL; -- another database of this cluster was faster
                WHEN insufficient_privilege THEN
                    RAISE EXCEPTION 'the role % is missing, and % may not create roles', needed, current_user
                        USING HINT = format('run as a superuser: CREATE ROLE %I NOLOGIN NOINHERIT; GRANT %I TO %I',
                            needed, needed, current_user);
            END;
        END IF;
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = needed AND (rolsuper OR rolbypassrls)) THEN
            RAISE EXCEPTION 'the role % may bypass row-level security', needed
                USING HINT = format('run as a superuser: ALTER ROLE %I NOSUPERUSER NOBYPASSRLS', needed);
        END IF;
        BEGIN
            PERFORM set_config('role', needed, true);
            PERFORM set_config('role', 'none', true);
        EXCEPTION WHEN insufficient_privilege THEN
            EXECUTE format('GRANT %I TO %I', needed, current_user);
        END;
    END LOOP;
END $$;

-- Names may be looked up by every login, rows may not: a login that only serves must see which migrations are applied.
GRANT USAGE ON SCHEMA studio, audit TO PUBLIC;
GRANT SELECT ON studio.seaql_migrations TO PUBLIC;
REVOKE EXECUTE ON FUNCTION studio.ensure_event_partitions(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION studio.ensure_event_partitions(integer) TO studio_registry;

-- Puts the wall around a table of tenants; each migration that makes one calls it.
CREATE FUNCTION studio.protect(
    target regclass,
    runtime_may text DEFAULT 'SELECT, INSERT, UPDATE, DELETE',
    registry_may text DEFAULT NULL
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    of_tenant CONSTANT text := 'org_id = NULLIF(current_setting(''app.org_id'', true), '''')';
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
    EXECUTE format('CREATE POLICY tenant ON %s TO studio_runtime USING (%s) WITH CHECK (%s)', target, of_tenant, of_tenant);
    EXECUTE format('GRANT %s ON %s TO studio_runtime', runtime_may, target);
    IF registry_may IS NOT NULL THEN
        EXECUTE format('CREATE POLICY registry ON %s TO studio_registry USING (true) WITH CHECK (true)', target);
        EXECUTE format('GRANT %s ON %s TO studio_registry', registry_may, target);
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION studio.protect(regclass, text, text) FROM PUBLIC;

SELECT studio.protect('orgs', 'SELECT, INSERT, UPDATE');
SELECT studio.protect('data_keys', 'SELECT, INSERT, UPDATE');
SELECT studio.protect('datasources', registry_may => 'SELECT');
SELECT studio.protect('datasource_versions');
SELECT studio.protect('datasource_state', registry_may => 'SELECT, UPDATE');
SELECT studio.protect('worker_slots', registry_may => 'SELECT, UPDATE');
SELECT studio.protect('datasource_secrets');
SELECT studio.protect('test_samples');
SELECT studio.protect('dead_letters', registry_may => 'SELECT, DELETE');
SELECT studio.protect('idempotency_keys', registry_may => 'SELECT, DELETE');
SELECT studio.protect('jobs', registry_may => 'SELECT, UPDATE');
-- Nodes serve all organisations, and hold nothing of any.
GRANT SELECT, INSERT, UPDATE, DELETE ON nodes TO studio_registry;
-- What happened stays: nobody but the owner can change or delete it.
SELECT studio.protect('datasource_events', 'SELECT, INSERT');
SELECT studio.protect('audit.audit_entries', 'SELECT, INSERT');
