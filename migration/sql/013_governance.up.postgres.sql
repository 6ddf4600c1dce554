SELECT studio.protect('datasource_audience');
-- What was stays: a snapshot is written once.
SELECT studio.protect('datasource_metadata_history', 'SELECT, INSERT');
SELECT studio.protect('governance_rules', 'SELECT, INSERT, UPDATE');
