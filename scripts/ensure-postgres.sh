#!/usr/bin/env bash
# Makes sure that tests find a PostgreSQL: a running one in TEST_DATABASE_URL, or
# server binaries for a throw-away cluster, which it installs where that needs no question.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

if [ -n "${TEST_DATABASE_URL:-}" ]; then exit 0; fi
if find_postgres >/dev/null; then exit 0; fi

# The newest server package that the distribution offers, or nothing when it is too old.
offered() {
    apt-cache search --names-only '^postgresql-[0-9]+$' |
        sed -n 's/^postgresql-\([0-9]*\) .*/\1/p' |
        sort -n | awk -v min="$POSTGRES_MIN" '$1 >= min { newest = $1 } END { if (newest) print "postgresql-" newest }'
}

if can_apt; then
    package=$(offered)
    if [ -z "$package" ]; then
        as_root apt-get update -q </dev/null >&2
        package=$(offered)
    fi
    if [ -n "$package" ]; then
        # The package would make and start a cluster of its own; the tests need only the binaries.
        no_cluster=/etc/postgresql-common/createcluster.d/datasource-studio-tests.conf
        as_root mkdir -p "$(dirname "$no_cluster")"
        echo 'create_main_cluster = false' | as_root tee "$no_cluster" >/dev/null
        trap 'as_root rm -f "$no_cluster"' EXIT
        apt_install "$package"
    fi
fi

find_postgres >/dev/null || die "the tests need PostgreSQL $POSTGRES_MIN or newer" \
    "Debian, Ubuntu: sudo apt-get install postgresql (older releases: https://apt.postgresql.org)" \
    "Fedora:         sudo dnf install postgresql-server" \
    "macOS:          brew install postgresql@17" \
    "or point TEST_DATABASE_URL at one in which databases may be created:" \
    "  TEST_DATABASE_URL=postgres://user:password@localhost:5432/postgres make test"
