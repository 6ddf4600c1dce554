UPDATE test_samples SET size = octet_length(payload)
WHERE id IN (SELECT id FROM test_samples WHERE org_id = $1 AND size IS NULL ORDER BY id LIMIT $2)
