#!/usr/bin/env bash
# Format, lints and, where cargo-deny is installed, the rules of deny.toml.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
have cargo || PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"

say "cargo fmt --check"
cargo fmt --all --check
say "cargo clippy"
cargo clippy --workspace --all-targets --locked -- -D warnings

if have cargo-deny; then
    say "cargo deny"
    cargo deny --log-level warn check bans licenses sources
    # The advisory database is a git clone from elsewhere: an unreachable one is no fault of the code.
    if cargo deny --log-level off fetch db </dev/null >/dev/null 2>&1; then
        cargo deny --log-level warn check --disable-fetch advisories
    else
        say "advisories are not checked: the RustSec database cannot be reached"
    fi
else
    say "deny.toml is not checked: cargo install cargo-deny --locked"
fi
