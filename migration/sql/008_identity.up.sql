-- Tokens that end before their time, by the name that their issuer gave them.
CREATE TABLE revoked_tokens (
    org_id text NOT NULL,
    jti text NOT NULL,
    expires_at {ts} NOT NULL,
    reason text,
    revoked_at {ts} NOT NULL,
    revoked_by text NOT NULL,
    PRIMARY KEY (org_id, jti)
);
CREATE INDEX revoked_tokens_by_end ON revoked_tokens (expires_at);

-- Programs that call the API. What one may do is fixed when it is created.
CREATE TABLE service_accounts (
    id {uuid} NOT NULL PRIMARY KEY,
    org_id text NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    role text NOT NULL,
    projects {json},
    created_at {ts} NOT NULL,
    created_by text NOT NULL,
    disabled_at {ts},
    disabled_by text
);
CREATE UNIQUE INDEX service_accounts_by_name ON service_accounts (org_id, name);

CREATE TABLE api_keys (
    id text NOT NULL PRIMARY KEY,
    org_id text NOT NULL,
    account_id {uuid} NOT NULL REFERENCES service_accounts (id),
    name text NOT NULL,
    -- SHA-256, which is quick: the key is 32 random bytes, which nobody guesses however fast a guess is.
    hash {bytes} NOT NULL,
    role text NOT NULL,
    projects {json},
    created_at {ts} NOT NULL,
    created_by text NOT NULL,
    expires_at {ts},
    revoked_at {ts},
    revoked_by text,
    last_used_at {ts}
);
CREATE INDEX api_keys_by_account ON api_keys (account_id);
