#!/usr/bin/env bash
# Fetches GraphiQL and what it runs on from npm into assets/graphiql/vendor, with the licences.
# To refresh: change a version here, run this, open the page, commit.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
have npm || die "npm was not found" "Install Node.js 20 or newer: https://nodejs.org"

# GraphiQL 4 is the last with a ready bundle (UMD) for the browser, and React 18 likewise.
GRAPHIQL=4.1.2
REACT=18.3.1
GRAPHQL_WS=6.4.2

target=$PWD/assets/graphiql/vendor
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT

# vendor PACKAGE VERSION LICENCE FILE=NAME…: `npm pack` checks the tarball against its published hash.
vendor() {
    local package=$1 version=$2 licence=$3 pair
    shift 3
    mkdir "$temp/$package"
    (cd "$temp" && npm pack --silent "$package@$version" >/dev/null && tar -xzf "$package-$version.tgz" -C "$package" --strip-components=1)
    cp "$temp/$package/$licence" "$target/$package.LICENSE"
    for pair in "$@"; do
        # Source maps are not shipped, so nothing should ask for them.
        sed '/^\/\/# sourceMappingURL=/d' "$temp/$package/${pair%%=*}" >"$target/${pair#*=}"
    done
    say "$package $version"
}

rm -rf "$target"
mkdir -p "$target"
vendor graphiql "$GRAPHIQL" LICENSE graphiql.min.js=graphiql.min.js graphiql.min.css=graphiql.min.css
vendor react "$REACT" LICENSE umd/react.production.min.js=react.min.js
vendor react-dom "$REACT" LICENSE umd/react-dom.production.min.js=react-dom.min.js
vendor graphql-ws "$GRAPHQL_WS" LICENSE.md umd/graphql-ws.min.js=graphql-ws.min.js
chmod 644 "$target"/*

printf 'graphiql %s\nreact %s\nreact-dom %s\ngraphql-ws %s\n' "$GRAPHIQL" "$REACT" "$REACT" "$GRAPHQL_WS" >"$target/VERSIONS"
