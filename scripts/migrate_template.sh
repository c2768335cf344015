#!/usr/bin/env bash
# Applies the migrations to `template1` of the server at DATABASE_URL, then runs a command:
#
#   scripts/with_postgres.sh scripts/migrate_template.sh cargo test
#
# Each test has a database of its own, which PostgreSQL copies from `template1`. A copy takes less time than 50
# migrations. They are recorded as sqlx records them, so that it verifies them but applies none again.
set -euo pipefail

migrations=$(cd "$(dirname "$0")/../migrations" && pwd)
{
    echo 'CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL,
        installed_on timestamptz NOT NULL DEFAULT now(), success boolean NOT NULL, checksum bytea NOT NULL,
        execution_time bigint NOT NULL);'
    for file in "$migrations"/*.sql; do
        name=$(basename "$file" .sql)
        description=${name#*_}
        checksum=$(sha384sum <"$file")
        cat "$file"
        echo "; INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
            VALUES (${name%%_*}, '${description//_/ }', true, '\\x${checksum%% *}', 0);"
    done
} | psql "${DATABASE_URL/\/switchboard\?//template1?}" --no-psqlrc --quiet --single-transaction \
    --set=ON_ERROR_STOP=1
exec "$@"
