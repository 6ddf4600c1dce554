#!/usr/bin/env bash
# Makes sure that the tests of connectors find the servers that they start themselves,
# and installs them where that needs no question.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

# Debian's package puts servers where only root looks.
PATH=$PATH:/usr/sbin

if ! have nats-server && can_apt; then
    apt_install nats-server
fi
have nats-server || die "the tests of the nats connector need nats-server" \
    "Debian, Ubuntu: sudo apt-get install nats-server" \
    "macOS:          brew install nats-server" \
    "others:         https://github.com/nats-io/nats-server/releases"

if ! { have mariadbd && have mariadb-install-db; } && can_apt; then
    apt_install mariadb-server
fi
{ have mariadbd && have mariadb-install-db; } || die "the tests of the sql connector need MariaDB" \
    "Debian, Ubuntu: sudo apt-get install mariadb-server" \
    "macOS:          brew install mariadb"
