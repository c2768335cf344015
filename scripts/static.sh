#!/bin/sh
# Builds the program as one static file and runs it in an empty chroot as an unprivileged user, to verify that it needs
# nothing from the machine.
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
# Installs the target's standard library.
if ! test -d "$(rustc --print target-libdir --target "$target")"; then
    rustup target add "$target" >&2
fi

# ring compiles C and assembly.
export "CC_$(echo "$target" | tr - _)=musl-gcc"
if [ "${1:-}" = --release ]; then
    program=$(scripts/release.sh --target "$target")
else
    SQLX_OFFLINE=true "${CARGO:-cargo}" build --locked --target "$target" >&2
    program=${CARGO_TARGET_DIR:-target}/$target/debug/switchboard
fi

# The messages of ldd differ; a dynamically linked file has lines with =>.
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
# A container may forbid chroot; then the file is run in place.
if ! alone --version >"$empty/output" 2>&1; then
    say "no chroot here: $(tail -1 "$empty/output")"
    alone() { "$program" "$@"; }
fi
alone --version >&2
alone openapi >"$empty/openapi"
# Nothing is configured, so `doctor` must report failures.
alone doctor --json >"$empty/doctor" 2>/dev/null || true
grep -q '"status": "fail"' "$empty/doctor"
say "$program is static and runs in an empty chroot"
echo "$program"
