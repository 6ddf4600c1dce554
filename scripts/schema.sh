#!/usr/bin/env bash
# Writes the files that are printed from the code; a test fails while they differ from it.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
have cargo || PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"

print() {
    # Through a file of its own, so that a failure leaves the old text.
    mkdir -p "$(dirname "$2")"
    cargo run --quiet --locked --bin datasource-studio -- "$1" >"$2.new" </dev/null || {
        rm -f "$2.new"
        die "datasource-studio $1 failed; $2 is unchanged"
    }
    mv "$2.new" "$2"
    say "wrote $2"
}

print print-schema schema.graphql
print openapi docs/openapi.json
print print-settings docs/configuration.md
