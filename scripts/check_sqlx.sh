#!/usr/bin/env bash
# Fails if the committed .sqlx does not match the queries of the package.
set -euo pipefail

cd "$(dirname "$0")/.."
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
mkdir "$fresh/described" "$fresh/none"

scripts/with_postgres.sh scripts/prepare_sqlx.sh "$fresh/described"
committed=.sqlx
[ -d "$committed" ] || committed=$fresh/none
if ! diff -r "$committed" "$fresh/described"; then
    echo "check_sqlx: .sqlx is out of date; run \`make sqlx\` and commit the changes" >&2
    exit 1
fi
