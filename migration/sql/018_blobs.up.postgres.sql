-- Every node looks for those that are over, and for what lies in the store without a row.
SELECT studio.protect('blobs', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT');
SELECT studio.protect('exports', 'SELECT, INSERT, UPDATE', 'SELECT, UPDATE');
CREATE POLICY registry ON test_samples FOR SELECT TO studio_registry USING (true);
GRANT SELECT (blob_id) ON test_samples TO studio_registry;
