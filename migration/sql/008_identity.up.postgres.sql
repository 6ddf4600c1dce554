-- A request comes without an organisation: its key or token tells, so that these are looked up in all of them.
SELECT studio.protect('revoked_tokens', 'SELECT, INSERT', 'SELECT, DELETE');
SELECT studio.protect('service_accounts', 'SELECT, INSERT, UPDATE', 'SELECT');
SELECT studio.protect('api_keys', 'SELECT, INSERT, UPDATE', 'SELECT, UPDATE');
