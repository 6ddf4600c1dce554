DROP TABLE notification_attempts;
DROP TABLE notification_deliveries;
DROP TABLE notification_secrets;
DROP TABLE notification_endpoints;
