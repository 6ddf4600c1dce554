INSERT INTO installation (one, id, secret) VALUES (true, gen_random_uuid()::text, replace(gen_random_uuid()::text, '-', ''));
GRANT SELECT ON installation TO studio_runtime, studio_registry;
