-- Earlier builds looked here for what was applied; migration_history has taken over.
DROP TABLE seaql_migrations;
