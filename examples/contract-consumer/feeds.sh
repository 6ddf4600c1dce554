#!/usr/bin/env bash
# Shows the feeds of the organisations that this login may see, how they do, and what waits in their dead letters.
# Needs psql and a login that reads the contract: see README.md.
#
#   CONTRACT_DATABASE_URL=postgres://reporting:…@db.internal/studio ./feeds.sh
set -euo pipefail

: "${CONTRACT_DATABASE_URL:?set it to the URL of a login that may read contract_v1}"

# Columns are named: one that is added later changes nothing here.
psql "$CONTRACT_DATABASE_URL" --no-psqlrc --quiet --set ON_ERROR_STOP=1 <<'SQL'
\pset footer off
SET default_transaction_read_only = on;
SET statement_timeout = '10s';

SELECT d.org_id, d.project_id, d.name, m.owner, d.status, s.status AS worker, s.running_version AS version,
       s.delivered, s.failed, s.last_record_at
FROM contract_v1.datasources d
JOIN contract_v1.datasource_metadata m ON m.datasource_id = d.id
LEFT JOIN contract_v1.datasource_state s ON s.datasource_id = d.id
WHERE d.archived_at IS NULL
ORDER BY d.org_id, d.project_id, d.name;

SELECT d.org_id, d.name, l.error_code, l.letters, l.oldest_at
FROM contract_v1.dead_letter_counts l
JOIN contract_v1.datasources d ON d.id = l.datasource_id
ORDER BY l.letters DESC, d.org_id, d.name;
SQL
