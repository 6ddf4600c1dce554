-- Who keeps a datasource as it is: ui, api, or git:<source>.
ALTER TABLE datasources ADD COLUMN managed_by text NOT NULL DEFAULT 'api';
CREATE INDEX datasources_by_managed_by ON datasources (org_id, managed_by);
