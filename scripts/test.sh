#!/usr/bin/env bash
# Everything that must pass before a merge. Arguments go to the test runner: make test ARGS=mapping
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

scripts/ensure-toolchain.sh --install
scripts/ensure-postgres.sh
scripts/ensure-services.sh
have cargo || PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"

scripts/lint.sh
if have cargo-nextest; then
    say "cargo nextest"
    exec scripts/with-postgres.sh cargo nextest run --workspace --locked "$@"
fi
say "cargo test"
exec scripts/with-postgres.sh cargo test --workspace --locked "$@"
