DROP SCHEMA contract_v1 CASCADE;
DO $$
DECLARE
    target regclass;
BEGIN
    FOR target IN SELECT polrelid FROM pg_policy WHERE polname = 'contract' LOOP
        EXECUTE format('DROP POLICY contract ON %s', target);
        EXECUTE format('REVOKE ALL ON %s FROM studio_contract', target);
    END LOOP;
END $$;
DROP FUNCTION studio.publish_contract();
DROP FUNCTION studio.expose(regclass, text);
DROP TABLE code_values;
DROP TABLE contract_readers;
-- The roles stay: other databases of the cluster may use them.
DROP FUNCTION studio.identify_reader();
