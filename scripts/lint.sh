#!/usr/bin/env bash
# Fails if Clippy has a warning, or if the committed .sqlx does not match the queries of the package. One compilation
# checks both.
set -euo pipefail

cd "$(dirname "$0")/.."
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
mkdir "$fresh/described" "$fresh/none"

scripts/with_postgres.sh scripts/prepare_sqlx.sh "$fresh/described" \
    clippy --locked --all-targets -- -D warnings
committed=.sqlx
[ -d "$committed" ] || committed=$fresh/none
if ! diff -r "$committed" "$fresh/described"; then
    echo "lint: .sqlx is out of date; run \`make sqlx\` and commit the changes" >&2
    exit 1
fi
