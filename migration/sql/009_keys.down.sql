DROP TABLE key_rotations;
ALTER TABLE datasource_secrets DROP COLUMN reference;
DROP INDEX datasource_secrets_by_data_key;
DROP INDEX data_keys_by_org;
ALTER TABLE data_keys DROP COLUMN wrapped_at;
ALTER TABLE data_keys DROP COLUMN master_key_version;
ALTER TABLE data_keys DROP COLUMN provider;
