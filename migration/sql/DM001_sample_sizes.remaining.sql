SELECT count(*) FROM test_samples WHERE org_id = $1 AND size IS NULL
