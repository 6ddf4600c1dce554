DROP TABLE api_keys;
DROP TABLE service_accounts;
DROP TABLE revoked_tokens;
