REVOKE SELECT (org_id, event_seq) ON orgs FROM studio_registry;
DROP POLICY registry ON orgs;
