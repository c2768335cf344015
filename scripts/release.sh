#!/bin/sh
# Builds an optimized release with profile-guided optimization (PGO): an instrumented build runs a typical load
# (pgo_workload.sh), and its profile optimizes the final build, which needs about a quarter less CPU time per call.
# https://doc.rust-lang.org/rustc/profile-guided-optimization.html
# If BOLT is installed, it profiles the result with the same load and reorders its code: hot code is placed together,
# cold code apart. https://github.com/llvm/llvm-project/tree/main/bolt
#
#   scripts/release.sh [--target TRIPLE]
#
# Prints the file's path. A profile is reused while the sources are unchanged. Without PostgreSQL's server programs or
# the compiler's profiling tools, the program is built without a profile.
set -eu

cd "$(dirname "$0")/.."
host=$(rustc --version --verbose | sed -n 's/^host: //p')
target=$host
[ "${1:-}" != --target ] || target=$2
folder=${CARGO_TARGET_DIR:-target}
case $folder in /*) ;; *) folder=$PWD/$folder ;; esac
work=$folder/pgo
program=$folder/$target/release/switchboard
# A profile is valid for one compiler version.
profile=$work/$target-$(rustc --version | cut -d ' ' -f 2).profdata
say() { echo "release: $*" >&2; }

# Builds into a target folder with compiler flags.
build() {
    into=$1
    shift
    flags=$(printf '%s\037' "$@")
    env CARGO_TARGET_DIR="$into" CARGO_ENCODED_RUSTFLAGS="${flags%?}" SQLX_OFFLINE=true \
        "${CARGO:-cargo}" build --locked --release --bin switchboard --target "$target" >&2
}

run_workload() { scripts/with_demo.sh "$1" --users 3000 --time-scale 1000000 -- scripts/pgo_workload.sh; }

make_profile() {
    tools=$(rustc --print sysroot)/lib/rustlib/$host/bin
    [ -x "$tools/llvm-profdata" ] || rustup component add llvm-tools >&2 || return 1
    say "building the instrumented program"
    rm -rf "$work/raw"
    # Instrumentation precedes link-time optimization, so this build can omit it.
    build "$work" "-Cprofile-generate=$work/raw" -Clto=off -Clinker-plugin-lto=no -Cembed-bitcode=no ||
        return 1
    say "profiling a typical load"
    run_workload "$work/$target/release/switchboard" || return 1
    "$tools/llvm-profdata" merge --sparse --output "$profile" "$work/raw"
}

# Whether the profile is newer than the sources.
is_current() {
    [ -e "$profile" ] && [ -z "$(find Cargo.toml Cargo.lock src scripts/pgo_workload.sh -newer "$profile" | head -1)" ]
}

find_bolt() {
    for bolt in llvm-bolt /usr/lib/llvm-*/bin/llvm-bolt; do
        ! command -v "$bolt" || return 0
    done
    return 1
}

optimize_layout() {
    say "profiling once more, for BOLT"
    "$bolt" "$program" -instrument --instrumentation-file="$work/bolt.fdata" -o "$work/instrumented" >&2 || return 1
    run_workload "$work/instrumented" || return 1
    "$bolt" "$program" -data "$work/bolt.fdata" -reorder-blocks=ext-tsp -reorder-functions=hfsort \
        -split-functions -split-all-cold -split-eh -icf=1 -use-old-text -align-text=64 \
        -o "$work/optimized" >&2 || return 1
    mv "$work/optimized" "$program"
}

bolt=$(find_bolt || true)
if is_current || make_profile; then
    say "building with the profile"
    if [ -n "$bolt" ] && [ "$target" = "$host" ]; then
        build "$folder" "-Cprofile-use=$profile" -Clink-arg=-Wl,--emit-relocs
        optimize_layout || say "BOLT failed: the code keeps the compiler's layout"
    else
        say "no BOLT for $target here (Debian: bolt-16, for native builds): the code keeps the compiler's layout"
        build "$folder" "-Cprofile-use=$profile"
    fi
else
    say "warning: no profile, so the program needs more CPU time per call"
    build "$folder"
fi
echo "$program"
