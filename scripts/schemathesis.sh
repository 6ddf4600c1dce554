#!/usr/bin/env bash
# Plays requests made from the OpenAPI document against a server of its own, and fails on an answer that the
# document does not have. Arguments go to schemathesis: make schemathesis ARGS="--max-examples 200"
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
have cargo || PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"

VERSION=4.32.5
SEED=1
venv=target/schemathesis

have python3 || die "python3 was not found" "install Python 3.10 or newer"
if ! "$venv/bin/st" --version 2>/dev/null | grep -qF "$VERSION"; then
    say "installing schemathesis $VERSION in $venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$VERSION"
fi

cargo build --locked --bin datasource-studio
studio=target/debug/datasource-studio

dir=$(mktemp -d "${TMPDIR:-/tmp}/studio-st.XXXXXX")
server=''
# shellcheck disable=SC2329 # the trap calls it
clean_up() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

env -u DATABASE_URL "$studio" serve --listen 127.0.0.1:0 --data-dir "$dir/data" --log warn \
    >"$dir/out" 2>"$dir/log" </dev/null &
server=$!
url=''
for _ in $(seq 1 300); do
    url=$(sed -n 's|^ *GraphiQL *\(http://.*\)/graphql$|\1|p' "$dir/out")
    [ -z "$url" ] || break
    kill -0 "$server" 2>/dev/null || { cat "$dir/log" >&2; die "the server did not start"; }
    sleep 0.1
done
[ -n "$url" ] || die "the server did not say where it listens"
token=$("$studio" token --role admin --data-dir "$dir/data")

# Something to find, so that not every request is about nothing.
post() {
    curl -fsS "$url/api/v1/datasources$1" -H "Authorization: Bearer $token" -H 'Content-Type: application/json' -d "$2"
}
config='{"connector": {"type": "webhook", "auth": {"type": "none"}}, "mapping": {"outputs": [{"kind": "event", "fields": {"text": "$.text"}}]}}'
id=$(post "" "{\"name\": \"first\", \"type\": \"webhook\", \"config\": $config}" | sed 's/^{"id":"\([0-9a-f-]*\)".*/\1/')
post "/$id/publish" '{}' >/dev/null
post "/$id/versions" "{\"config\": $config}" >/dev/null

status=0
play() {
    say "$1"
    shift
    # It leaves a cache where it runs.
    (cd "$dir" && "$root/$venv/bin/st" "$@" "$url/api/openapi.json" -H "Authorization: Bearer $token" \
        --seed "$SEED" --continue-on-failure --warnings off "${more[@]+"${more[@]}"}") || status=$?
}
more=("$@")
root=$PWD
play "valid and invalid requests, about anything" --config-file "$root/scripts/schemathesis.toml" run
# Nothing else would come to be once it is archived.
{
    cat scripts/schemathesis.toml
    printf '\n[parameters]\n"path.id" = "%s"\n' "$id"
} >"$dir/found.toml"
play "valid requests, about a datasource that is there" --config-file "$dir/found.toml" run --mode positive \
    --exclude-operation-id archiveDatasource
if [ -s "$dir/log" ]; then
    say "the log of the server:"
    tail -n 40 "$dir/log" >&2
fi
exit "$status"
