#!/bin/sh
# Builds the program as it is meant to run. A build that counts rehearses what gateways do most (rehearse.sh); by
# those counts the compiler makes the real one, which then needs about a quarter less processor time for a call:
# https://doc.rust-lang.org/rustc/profile-guided-optimization.html
# Where BOLT is installed, that one rehearses as well, and its code is laid out anew: what runs one after the other
# stands together, what hardly ever runs is out of the way. https://github.com/llvm/llvm-project/tree/main/bolt
#
#   scripts/release.sh [--target TRIPLE]
#
# Prints the file's path. The compiler's counts are used again while the sources stay the same. Where nothing can be
# rehearsed, for lack of PostgreSQL's server programs or of the compiler's tools, the program is built without.
set -eu

cd "$(dirname "$0")/.."
host=$(rustc --version --verbose | sed -n 's/^host: //p')
target=$host
[ "${1:-}" != --target ] || target=$2
folder=${CARGO_TARGET_DIR:-target}
case $folder in /*) ;; *) folder=$PWD/$folder ;; esac
rehearsal=$folder/rehearsal
program=$folder/$target/release/switchboard
# One compiler's counts are of no use to another.
profile=$rehearsal/$target-$(rustc --version | cut -d ' ' -f 2).profdata
say() { echo "release: $*" >&2; }

# Builds into a folder with flags of the compiler.
build() {
    into=$1
    shift
    flags=$(printf '%s\037' "$@")
    env CARGO_TARGET_DIR="$into" CARGO_ENCODED_RUSTFLAGS="${flags%?}" SQLX_OFFLINE=true \
        "${CARGO:-cargo}" build --locked --release --bin switchboard --target "$target" >&2
}

rehearse() { scripts/with_demo.sh "$1" --users 3000 --time-scale 1000000 -- scripts/rehearse.sh; }

count() {
    tools=$(rustc --print sysroot)/lib/rustlib/$host/bin
    [ -x "$tools/llvm-profdata" ] || rustup component add llvm-tools >&2 || return 1
    say "building for the rehearsal"
    rm -rf "$rehearsal/counts"
    # Functions are counted before the optimization of the whole program, which can be left out therefore.
    build "$rehearsal" "-Cprofile-generate=$rehearsal/counts" -Clto=off -Clinker-plugin-lto=no -Cembed-bitcode=no ||
        return 1
    say "rehearsing"
    rehearse "$rehearsal/$target/release/switchboard" || return 1
    "$tools/llvm-profdata" merge --sparse --output "$profile" "$rehearsal/counts"
}

is_new() {
    [ -e "$profile" ] && [ -z "$(find Cargo.toml Cargo.lock src scripts/rehearse.sh -newer "$profile" | head -1)" ]
}

find_bolt() {
    for bolt in llvm-bolt /usr/lib/llvm-*/bin/llvm-bolt; do
        ! command -v "$bolt" || return 0
    done
    return 1
}

lay_out() {
    say "rehearsing once more"
    "$bolt" "$program" -instrument --instrumentation-file="$rehearsal/jumps" -o "$rehearsal/counting" >&2 || return 1
    rehearse "$rehearsal/counting" || return 1
    "$bolt" "$program" -data "$rehearsal/jumps" -reorder-blocks=ext-tsp -reorder-functions=hfsort \
        -split-functions -split-all-cold -split-eh -icf=1 -use-old-text -align-text=64 -o "$rehearsal/laid-out" >&2 || return 1
    mv "$rehearsal/laid-out" "$program"
}

bolt=$(find_bolt || true)
if is_new || count; then
    say "building by the counts of the rehearsal"
    if [ -n "$bolt" ] && [ "$target" = "$host" ]; then
        build "$folder" "-Cprofile-use=$profile" -Clink-arg=-Wl,--emit-relocs
        lay_out || say "its code stays where the compiler put it"
    else
        say "its code stays where the compiler puts it: no BOLT for it here (Debian: bolt-16, for programs of this machine)"
        build "$folder" "-Cprofile-use=$profile"
    fi
else
    say "nothing was rehearsed: the program will need more processor time than it has to"
    build "$folder"
fi
echo "$program"
