DO $$
DECLARE
    target regclass;
BEGIN
    FOR target IN SELECT polrelid FROM pg_policy WHERE polname = 'tenant' LOOP
        EXECUTE format('DROP POLICY tenant ON %s', target);
        EXECUTE format('DROP POLICY IF EXISTS registry ON %s', target);
        EXECUTE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', target);
        EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', target);
        EXECUTE format('REVOKE ALL ON %s FROM studio_runtime, studio_registry', target);
    END LOOP;
END $$;
REVOKE ALL ON nodes FROM studio_registry;
DROP FUNCTION studio.protect(regclass, text, text);
REVOKE EXECUTE ON FUNCTION studio.ensure_event_partitions(integer) FROM studio_registry;
GRANT EXECUTE ON FUNCTION studio.ensure_event_partitions(integer) TO PUBLIC;
REVOKE SELECT ON studio.seaql_migrations FROM PUBLIC;
REVOKE USAGE ON SCHEMA studio, audit FROM PUBLIC;
-- The roles stay: other databases of the cluster may use them.
