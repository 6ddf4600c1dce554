#!/usr/bin/env bash
# Runs a command with TEST_DATABASE_URL set to a PostgreSQL cluster that lives as long as it:
#   scripts/with-postgres.sh cargo test store
# A TEST_DATABASE_URL that is already set is used as it is.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

[ $# -gt 0 ] || die "no command was given" "usage: scripts/with-postgres.sh COMMAND [ARGUMENT…]"
if [ -n "${TEST_DATABASE_URL:-}" ]; then exec "$@"; fi

bin=$(find_postgres) || die "no PostgreSQL $POSTGRES_MIN or newer was found" "scripts/ensure-postgres.sh installs one or says how"

# PostgreSQL refuses to run as root, so root lends it an unprivileged user.
if [ "$(id -u)" -eq 0 ]; then
    owner=nobody
    if id postgres >/dev/null 2>&1; then owner=postgres; fi
    if have setpriv; then
        as_owner() { setpriv --reuid="$owner" --regid="$(id -g "$owner")" --clear-groups -- "$@"; }
    elif have runuser; then
        as_owner() { runuser -u "$owner" -- "$@"; }
    else
        as_owner() { su -s /bin/sh -c 'exec "$@"' -- "$owner" sh "$@"; }
    fi
else
    owner=$(id -un)
    as_owner() { "$@"; }
fi

# A socket path has at most about 100 bytes, and the owner must be able to reach it.
base=${TMPDIR:-/tmp}
if [ "${#base}" -gt 60 ] || ! as_owner test -x "$base"; then base=/tmp; fi
dir=$(mktemp -d "$base/studio-pg.XXXXXX")

child=''
# shellcheck disable=SC2329 # the traps call it
clean_up() {
    trap '' INT TERM HUP
    if [ -n "$child" ] && kill -0 "$child" 2>/dev/null; then
        kill -TERM -- "-$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || true
    fi
    if [ -f "$dir/data/postmaster.pid" ]; then
        as_owner "$bin/pg_ctl" stop -D "$dir/data" -m immediate -s >/dev/null 2>&1 || true
    fi
    rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

cd "$dir" # the owner may not be able to enter the working directory
password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
printf '%s' "$password" >"$dir/password"
chmod 600 "$dir/password"
if [ "$(id -u)" -eq 0 ]; then chown -R "$owner" "$dir"; fi

as_owner "$bin/initdb" -D "$dir/data" -U studio -E UTF8 --no-locale --no-sync \
    --auth-local=trust --auth-host=password --pwfile="$dir/password" >"$dir/initdb.log" 2>&1 </dev/null || {
    cat "$dir/initdb.log" >&2
    die "initdb failed"
}
as_owner tee -a "$dir/data/postgresql.conf" >/dev/null <<CONF
listen_addresses = '127.0.0.1'
unix_socket_directories = '$dir'
max_connections = 200
# The data is thrown away, so nothing is done for its safety.
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum_naptime = 10s
log_min_messages = warning
CONF

# Only the server itself can tell whether a port is free.
started=false
for _ in 1 2 3 4 5 6 7 8 9 10; do
    port=$((20000 + RANDOM % 12000))
    if as_owner "$bin/pg_ctl" start -D "$dir/data" -s -w -t 60 -l "$dir/server.log" -o "-p $port" \
        </dev/null >/dev/null 2>&1; then
        started=true
        break
    fi
done
$started || {
    tail -n 30 "$dir/server.log" >&2 || true
    die "PostgreSQL did not start"
}
say "PostgreSQL from $bin listens on 127.0.0.1:$port until the end of this run"
cd "$OLDPWD"

export TEST_DATABASE_URL="postgres://studio:$password@127.0.0.1:$port/postgres"
# In a process group of its own, the command can be ended as a whole, and a signal is served at once.
set -m
"$@" </dev/null &
child=$!
set +m
status=0
wait "$child" || status=$?
child=''
exit "$status"
