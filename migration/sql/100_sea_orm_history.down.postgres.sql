GRANT SELECT ON seaql_migrations TO PUBLIC;
