#!/usr/bin/env bash
# Writes the description of every `query!` of the package to FOLDER, using the empty database at DATABASE_URL. Cargo
# checks the package, or runs another command that compiles it:
#
#   scripts/with_postgres.sh scripts/prepare_sqlx.sh .sqlx [COMMAND...]
set -euo pipefail

folder=$(mkdir -p "$1" && cd "$1" && pwd)
shift
(($#)) || set -- check --quiet --locked --all-targets
cd "$(dirname "$0")/.."
shopt -s nullglob

for migration in migrations/*.sql; do
    psql "$DATABASE_URL" --no-psqlrc --quiet --single-transaction --set=ON_ERROR_STOP=1 \
        --file="$migration"
done
rm -f "$folder"/query-*.json
# The compilation writes the descriptions, so `touch` forces one of this package. The modification times are restored
# afterwards, so that existing build results stay valid.
roots=(src/lib.rs src/main.rs tests/*/main.rs)
ages=$(mktemp -d)
for root in "${roots[@]}"; do touch -r "$root" "$ages/${root//\//.}"; done
restore() {
    for root in "${roots[@]}"; do touch -r "$ages/${root//\//.}" "$root"; done
    rm -rf "$ages"
}
trap restore EXIT
touch "${roots[@]}"
SQLX_OFFLINE=false SQLX_OFFLINE_DIR=$folder "${CARGO:-cargo}" "$@"
