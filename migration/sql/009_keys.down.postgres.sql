DROP POLICY IF EXISTS registry ON data_keys;
REVOKE ALL ON data_keys FROM studio_registry;
REVOKE DELETE ON data_keys FROM studio_runtime;
