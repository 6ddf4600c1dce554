DROP POLICY IF EXISTS registry ON test_samples;
REVOKE ALL ON test_samples FROM studio_registry;
