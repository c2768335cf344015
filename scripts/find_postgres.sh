#!/bin/sh
# Prints the folder of the newest PostgreSQL server programs on this machine, which have to be of
# version 14 or newer. Fails when there are none. Looks where src/embedded/binaries.rs looks.
set -u

folders() {
    # Debian keeps them off the PATH, in a folder for each major version.
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
