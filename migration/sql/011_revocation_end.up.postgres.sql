-- Whoever revokes a token again with a later end is heard.
GRANT UPDATE (expires_at) ON revoked_tokens TO studio_runtime;
