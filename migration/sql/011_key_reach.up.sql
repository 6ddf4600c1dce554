-- The projects of whoever made the key, or null for all: on no other does a grant to its account count for it.
ALTER TABLE api_keys ADD COLUMN grant_projects {json};
