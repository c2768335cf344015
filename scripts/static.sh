#!/bin/sh
# Builds the program as one static file, which needs nothing of the machine it runs on, and tries it where
# there is nothing: in an empty folder as its root, as a user without rights.
#
#   scripts/static.sh [--release]
#
# Prints the file's path. Needs musl's C compiler (Debian: musl-tools) and the Rust target.
set -eu

cd "$(dirname "$0")/.."
target=$(uname -m)-unknown-linux-musl
say() { echo "static: $*" >&2; }

if ! command -v musl-gcc >/dev/null 2>&1; then
    say "musl's C compiler is missing: run scripts/setup.sh static"
    exit 1
fi
# Without its standard library the target is unknown to the compiler.
if ! test -d "$(rustc --print target-libdir --target "$target")"; then
    rustup target add "$target" >&2
fi

# ring has C and assembler of its own.
export "CC_$(echo "$target" | tr - _)=musl-gcc"
if [ "${1:-}" = --release ]; then
    program=$(scripts/release.sh --target "$target")
else
    SQLX_OFFLINE=true "${CARGO:-cargo}" build --locked --target "$target" >&2
    program=${CARGO_TARGET_DIR:-target}/$target/debug/switchboard
fi

# ldd's words differ; what is linked dynamically names its interpreter.
if ldd "$program" 2>&1 | grep -q '=>'; then
    say "$program is not static:"
    ldd "$program" >&2
    exit 1
fi

empty=$(mktemp -d)
trap 'rm -rf "$empty"' EXIT
cp "$program" "$empty/switchboard"
chmod 755 "$empty" "$empty/switchboard"
alone() {
    if [ "$(id -u)" -eq 0 ]; then
        chroot --userspec=65532:65532 "$empty" /switchboard "$@"
    else
        unshare --user --map-root-user chroot "$empty" /switchboard "$@"
    fi
}
# A container may not let us; then the file is tried where it is.
if ! alone --version >"$empty/said" 2>&1; then
    say "an empty root can't be had here: $(tail -1 "$empty/said")"
    alone() { "$program" "$@"; }
fi
alone --version >&2
alone openapi >"$empty/openapi"
# Nothing is configured and nobody is reached, so it fails; what counts is that it says so.
alone doctor --json >"$empty/doctor" 2>/dev/null || true
grep -q '"status": "fail"' "$empty/doctor"
say "$program is static and runs in an empty root"
echo "$program"
