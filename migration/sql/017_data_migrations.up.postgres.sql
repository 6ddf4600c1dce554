-- They hold nothing of any organisation; every node looks for those that are open, and notes the last batch.
GRANT SELECT ON data_migrations TO PUBLIC;
GRANT SELECT, INSERT, UPDATE ON data_migrations TO studio_registry;
GRANT SELECT, INSERT ON migration_history TO studio_registry;
