# Shared by the scripts next to it; sourced, never run. Works with bash 3.2 (macOS).
# shellcheck shell=bash

POSTGRES_MIN=15

say() { printf '==> %s\n' "$*" >&2; }

# Ends the script with what is wrong and, line by line, what to do about it.
die() {
    printf 'error: %s\n' "$1" >&2
    shift
    if [ $# -gt 0 ]; then printf '       %s\n' "$@" >&2; fi
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# Whether packages may be installed without asking anybody anything.
can_apt() {
    have apt-get && { [ "$(id -u)" -eq 0 ] || { have sudo && sudo -n true 2>/dev/null; }; }
}

# Runs a command as root; only after can_apt.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

apt_install() {
    say "installing $* with apt-get"
    # Package lists may be old or absent (slim images have none), so a failure is worth one update.
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" </dev/null >&2 ||
        { as_root apt-get update -q </dev/null >&2 &&
            as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" </dev/null >&2; }
}

# Prints the directory of the newest PostgreSQL server of at least POSTGRES_MIN; fails when there is none.
find_postgres() {
    local dir version best='' best_version=0
    local path_dir=''
    if have postgres; then path_dir=$(dirname "$(command -v postgres)"); fi
    for dir in "$path_dir" /usr/lib/postgresql/*/bin /usr/pgsql-*/bin \
        /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin \
        /home/linuxbrew/.linuxbrew/opt/postgresql@*/bin /Applications/Postgres.app/Contents/Versions/*/bin; do
        [ -n "$dir" ] && [ -x "$dir/initdb" ] && [ -x "$dir/pg_ctl" ] && [ -x "$dir/postgres" ] || continue
        # "postgres (PostgreSQL) 15.8 (Debian …)", "… 17beta1"
        version=$("$dir/postgres" --version 2>/dev/null | sed -n 's/^[^)]*) \([0-9]*\).*/\1/p')
        if [ "${version:-0}" -ge "$POSTGRES_MIN" ] && [ "$version" -gt "$best_version" ]; then
            best=$dir
            best_version=$version
        fi
    done
    [ -n "$best" ] && printf '%s\n' "$best"
}

# Where a Node.js is put that the system's packages are too old for.
NODE_HOME=target/tools/node

node_fits() {
    have npm && have node &&
        node -e 'const [a, b] = process.versions.node.split(".").map(Number)
            process.exit((a === 20 && b >= 19) || (a === 22 && b >= 12) || a > 22 ? 0 : 1)'
}

# Finds a Node.js that builds the console, and puts it first in PATH. With --install it also gets one where
# that needs no question: from the system's packages or, where those are older, from the npm registry.
use_node() {
    local bin=$PWD/$NODE_HOME/node_modules/.bin
    if [ -x "$bin/node" ]; then PATH=$bin:$PATH; fi
    if node_fits; then return 0; fi
    [ "${1:-}" = --install ] || return 1
    if ! have npm && can_apt; then apt_install nodejs npm; fi
    if ! node_fits && have npm; then
        say "installing Node.js 22 from npm into $NODE_HOME"
        npm install --prefix "$NODE_HOME" --no-save --no-fund --no-audit node@22 >&2 && PATH=$bin:$PATH
    fi
    node_fits
}

NODE_REMEDY='Install Node.js 22 (20.19 or newer works): https://nodejs.org'
