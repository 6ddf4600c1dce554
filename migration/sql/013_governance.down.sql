DROP TABLE governance_rules;
DROP TABLE datasource_metadata_history;
DROP TABLE datasource_audience;
DROP INDEX datasources_restricted;
ALTER TABLE datasources DROP COLUMN records_per_second;
ALTER TABLE datasources DROP COLUMN sla;
ALTER TABLE datasources DROP COLUMN restricted;
ALTER TABLE datasources DROP COLUMN visibility;
ALTER TABLE datasources DROP COLUMN lifecycle;
