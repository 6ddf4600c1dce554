-- Every node looks for endpoints that have something to be told, and for messages that are kept no longer.
SELECT studio.protect('notification_endpoints', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT, UPDATE');
SELECT studio.protect('notification_secrets');
SELECT studio.protect('notification_deliveries', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT, DELETE');
SELECT studio.protect('notification_attempts');
-- How far the timeline of an organisation reaches, and nothing else of it.
GRANT SELECT (event_seq) ON orgs TO studio_registry;
