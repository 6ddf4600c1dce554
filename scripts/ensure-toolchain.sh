#!/usr/bin/env bash
# Checks that the project can be built. With --install it also installs what is
# missing where that needs no question: rustfmt, clippy and a C compiler.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

install=false
[ "${1:-}" = --install ] && install=true

# rustup puts cargo here, and tells only new shells about it.
have cargo || PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
have cargo || die "cargo was not found" \
    "Install Rust from https://rustup.rs and open a new shell:" \
    "  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"

needs=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
has=$(rustc --version | sed -n 's/^rustc \([0-9]*\.[0-9]*\).*/\1/p')
if [ "${has%%.*}" -lt "${needs%%.*}" ] ||
    { [ "${has%%.*}" -eq "${needs%%.*}" ] && [ "${has#*.}" -lt "$(printf '%s' "${needs#*.}" | cut -d. -f1)" ]; }; then
    die "Rust $needs or newer is needed, and this is $has" "Update it: rustup update stable"
fi

if ! have cc && ! have gcc && ! have clang; then
    if $install && can_apt; then apt_install gcc libc6-dev; fi
    have cc || have gcc || have clang || die "no C compiler was found; rustc links with it" \
        "Debian, Ubuntu: sudo apt-get install build-essential" \
        "Fedora:         sudo dnf install gcc" \
        "macOS:          xcode-select --install"
fi

if $install; then
    for component in rustfmt clippy; do
        if ! cargo "${component/rust/}" --version >/dev/null 2>&1; then
            have rustup || die "cargo ${component/rust/} was not found" "Install $component from where Rust came from"
            say "installing $component with rustup"
            rustup component add "$component"
        fi
    done
fi
