-- Who made the older keys with what is not known: those for some projects are held to these.
-- Forced security hides the rows of all organisations from the owner too.
ALTER TABLE api_keys NO FORCE ROW LEVEL SECURITY;
UPDATE api_keys SET grant_projects = projects;
ALTER TABLE api_keys FORCE ROW LEVEL SECURITY;
