DROP INDEX test_samples_unmeasured;
ALTER TABLE test_samples DROP COLUMN size;
DROP TABLE data_migrations;
