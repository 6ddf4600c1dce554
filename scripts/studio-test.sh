#!/usr/bin/env bash
# The console: its generated types, lints, size, and the stories in a real browser against the real server.
# Arguments go to Playwright: scripts/studio-test.sh tour
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

use_node --install || die "the tests of the console need Node.js 20.19 or newer" "$NODE_REMEDY"

find_chromium() { command -v chromium || command -v chromium-browser || command -v google-chrome; }
if ! find_chromium >/dev/null && can_apt; then apt_install chromium; fi
CHROMIUM=$(find_chromium) || die "the tests of the console need Chromium" \
    "Debian: sudo apt-get install chromium" \
    "macOS:  brew install --cask chromium"
export CHROMIUM

scripts/studio.sh
# Tests that were not built are tests of the server as it was.
cargo build --locked --bin datasource-studio

cd studio
say "console: generated types"
npm run --silent codegen:check >&2 || die "the console's types are older than schema.graphql" \
    "Run: cd studio && npm run codegen"
say "console: lint"
npm run --silent lint
say "console: stories in $CHROMIUM"
npx --no-install playwright test "$@"
