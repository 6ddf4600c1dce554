#!/usr/bin/env bash
# Measures the release build on SQLite and on a throw-away PostgreSQL, and prints tables.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

have cargo || PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
if ! have wrk && can_apt; then apt_install wrk; fi
have wrk || die "the benchmarks need wrk" "Debian, Ubuntu: sudo apt-get install wrk" "macOS:          brew install wrk"
scripts/ensure-postgres.sh
# The throw-away cluster does not sync to disk; figures of writes on PostgreSQL are those of its processor work.
exec scripts/with-postgres.sh cargo bench --locked --bench studio -- "$@"
