#!/usr/bin/env bash
# Runs a command with DATABASE_URL set to an empty private PostgreSQL server:
#
#   scripts/with_postgres.sh cargo test
#
# The server listens on a Unix socket only. It stops however the command or this script ends: src/embedded/guard.sh
# stops it when this script no longer holds its pipe.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
if ! bin=$("$here/find_postgres.sh"); then
    echo "no PostgreSQL server programs found: run scripts/setup.sh test" >&2
    exit 1
fi
# In memory where there is enough: each test creates and drops a database, which is a thousand files. Not for a normal
# user, whose files there can be deleted at the end of a login session. Not $TMPDIR: a socket's path must be short and
# accessible to another user.
root=/tmp
free_mb() { df --output=avail --block-size=1M /dev/shm | tail -1; }
memory_mb() { awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo; }
if [ "$(id -u)" -eq 0 ] && [ -w /dev/shm ] && (($(free_mb) >= 4096)) && (($(memory_mb) >= 8192)); then
    root=/dev/shm
fi
folder=$(mktemp -d "$root/switchboard-pg.XXXXXX")
trap 'rm -rf "$folder"' EXIT

# PostgreSQL refuses to run as root.
as=()
if [ "$(id -u)" -eq 0 ]; then
    user=postgres
    id "$user" >/dev/null 2>&1 || user=nobody
    as=(setpriv "--reuid=$(id -u "$user")" "--regid=$(id -g "$user")" --clear-groups)
    chown "$user" "$folder"
fi
unset "${!PG@}"

if ! (cd / && "${as[@]}" "$bin/initdb" --pgdata="$folder/data" --username=switchboard \
    --auth=trust --encoding=UTF8 --locale=C --no-sync --no-instructions) >"$folder/log" 2>&1; then
    cat "$folder/log" >&2
    exit 1
fi

exec {pipe}> >(cd / && exec "${as[@]}" sh -c "$(cat "$here/../src/embedded/guard.sh")" guard \
    "$bin/postgres" -D "$folder/data" -c listen_addresses= -c port=5432 \
    -c unix_socket_directories="$folder" -c max_connections=1000 -c fsync=off \
    -c full_page_writes=off -c synchronous_commit=off -c max_wal_size=256MB >>"$folder/log" 2>&1)
guard=$!

stop() {
    exec {pipe}>&-
    wait "$guard" || true
    rm -rf "$folder"
}
trap stop EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

export PATH="$bin:$PATH"
for ((try = 0; ; try++)); do
    psql --host="$folder" --username=switchboard --dbname=postgres --no-psqlrc --quiet \
        --command='create database switchboard' >>"$folder/log" 2>&1 && break
    if ((try > 600)) || ! kill -0 "$guard" 2>/dev/null; then
        tail "$folder/log" >&2
        exit 1
    fi
    sleep 0.05
done

export DATABASE_URL="postgres://switchboard@localhost/switchboard?host=${folder//\//%2F}"
(
    exec {pipe}>&-
    exec "$@"
)
