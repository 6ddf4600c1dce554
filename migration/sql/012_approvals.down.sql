ALTER TABLE datasource_versions DROP COLUMN approval_until;
DROP TABLE approvals;
DROP TABLE approval_policies;
