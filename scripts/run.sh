#!/usr/bin/env bash
# Builds the server and runs it on ./data; the arguments go to `datasource-studio serve`.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

scripts/ensure-toolchain.sh
have cargo || PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"

# By environment and not by flag, so that a --seed-dir of the caller wins.
export STUDIO_SEED_DIR="${STUDIO_SEED_DIR-examples}"
if use_node; then
    scripts/studio.sh || say "the console could not be built; the server runs without it"
else
    say "the console is not built: it needs Node.js 20.19 or newer. Everything else works"
fi
say "building (the first build takes some minutes, the next ones seconds)"
cargo build --locked --bin datasource-studio
# cargo run puts the server in its own place, so Ctrl-C reaches it alone.
exec cargo run --quiet --locked --bin datasource-studio -- serve "$@"
