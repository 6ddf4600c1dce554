REVOKE UPDATE (expires_at) ON revoked_tokens FROM studio_runtime;
