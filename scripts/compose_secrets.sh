#!/bin/sh
# Makes the secrets of compose.yaml in ./secrets, those that are not there yet. The folder is for its owner
# alone; the files in it are not, because a container reads them as another user.
set -eu

cd "$(dirname "$0")/.."
umask 022
mkdir -p secrets
chmod 700 secrets

random() { head -c 32 /dev/urandom | base64 | tr -d '\n'; }
# Written aside and renamed: a broken run leaves no half a secret.
keep() {
    cat >"secrets/.$1"
    mv "secrets/.$1" "secrets/$1"
}

if [ ! -s secrets/postgres_password ]; then
    random | tr '+/=' '-_.' | keep postgres_password
    rm -f secrets/database_url
fi
if [ ! -s secrets/database_url ]; then
    printf 'postgres://switchboard:%s@postgres:5432/switchboard' "$(cat secrets/postgres_password)" |
        keep database_url
fi
if [ ! -s secrets/vault_keys ]; then
    printf '%s:%s' "$(date +%Y-%m)" "$(random)" | keep vault_keys
fi
echo "secrets/ is complete; keep a copy of vault_keys where the backups of the database are not."
