DROP TABLE exports;
DROP INDEX test_samples_by_blob;
ALTER TABLE test_samples DROP COLUMN blob_id;
DROP TABLE blobs;
