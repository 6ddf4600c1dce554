DROP INDEX datasources_by_managed_by;
ALTER TABLE datasources DROP COLUMN managed_by;
