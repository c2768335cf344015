#!/bin/sh
# Creates the missing secrets of compose.yaml in ./secrets. Only the owner can enter the folder; the files in it are
# readable by all, because containers read them as another user.
set -eu

cd "$(dirname "$0")/.."
umask 022
mkdir -p secrets
chmod 700 secrets

random() { head -c 32 /dev/urandom | base64 | tr -d '\n'; }
# Writes a file atomically: an interrupted run leaves no partial secret.
keep() {
    cat >"secrets/.$1"
    mv "secrets/.$1" "secrets/$1"
}

# Creates a password and removes the URL that contained the previous one.
password() {
    if [ ! -s "secrets/$1" ]; then
        random | tr '+/=' '-_.' | keep "$1"
        rm -f "secrets/$2"
    fi
}
[ -s secrets/postgres_password ] || random | tr '+/=' '-_.' | keep postgres_password
password postgres_owner_password database_owner_url
password postgres_runtime_password database_url
password redis_password redis_url
if [ ! -s secrets/database_owner_url ]; then
    printf 'postgres://switchboard_owner:%s@postgres:5432/switchboard' "$(cat secrets/postgres_owner_password)" |
        keep database_owner_url
fi
if [ ! -s secrets/database_url ]; then
    printf 'postgres://switchboard_runtime:%s@postgres:5432/switchboard' "$(cat secrets/postgres_runtime_password)" |
        keep database_url
fi
if [ ! -s secrets/redis_url ]; then
    printf 'redis://:%s@redis:6379/0' "$(cat secrets/redis_password)" | keep redis_url
fi
if [ ! -s secrets/vault_keys ]; then
    printf '%s:%s' "$(date +%Y-%m)" "$(random)" | keep vault_keys
fi
echo "secrets/ is complete; store a copy of vault_keys apart from the backups of the database."
