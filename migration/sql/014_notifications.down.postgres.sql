REVOKE SELECT (event_seq) ON orgs FROM studio_registry;
