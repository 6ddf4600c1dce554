SELECT studio.protect('key_rotations', 'SELECT, INSERT, UPDATE', 'SELECT, UPDATE');
GRANT DELETE ON data_keys TO studio_runtime;
-- The registry tells which master keys are needed; what they wrapped is not for it.
CREATE POLICY registry ON data_keys TO studio_registry USING (true);
GRANT SELECT (id, org_id, provider, master_key_id, master_key_version, active) ON data_keys TO studio_registry;
