ALTER TABLE api_keys DROP COLUMN grant_projects;
