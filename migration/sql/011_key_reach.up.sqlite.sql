-- Who made the older keys with what is not known: those for some projects are held to these.
UPDATE api_keys SET grant_projects = projects;
