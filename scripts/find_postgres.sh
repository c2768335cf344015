#!/bin/sh
# Prints the folder of the newest PostgreSQL server programs (version 14 or newer) on this machine. Fails if there are
# none. Searches the same folders as src/embedded/binaries.rs.
set -u

folders() {
    # Debian installs them outside the PATH, in one folder per major version.
    printf '%s\n' /usr/lib/postgresql/*/bin | sort -t / -k 5,5nr
    program=$(command -v initdb) && dirname "$(readlink -f "$program")" && dirname "$program"
}

folders | while IFS= read -r folder; do
    [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ] && [ -x "$folder/pg_ctl" ] || continue
    version=$("$folder/postgres" --version | sed -n 's/.*(PostgreSQL) \([0-9]*\).*/\1/p')
    [ "${version:-0}" -ge 14 ] || continue
    printf '%s\n' "$folder"
    break
done | grep .
