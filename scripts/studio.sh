#!/usr/bin/env bash
# Builds the web console into studio/dist, where the server takes it from. Does nothing when nothing changed.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

use_node "$@" || die "the console needs Node.js 20.19 or newer" "$NODE_REMEDY"

cd studio
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    say "npm ci (console)"
    npm ci --no-audit --no-fund >&2
    touch node_modules/.package-lock.json
fi
newer=$(find src index.html package.json package-lock.json tsconfig.json vite.config.ts postcss.config.cjs ../schema.graphql \
    -newer dist/index.html 2>/dev/null | head -n 1 || true)
if [ -e dist/index.html ] && [ -z "$newer" ]; then exit 0; fi
say "building the console"
npm run --silent build >&2
