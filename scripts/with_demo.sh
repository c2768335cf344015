#!/bin/sh
# Runs a command with a demo, which stops with the command. BASE, KEY, ADMIN, ACCOUNT and SANDBOX are set as in the
# README.
#
#   scripts/with_demo.sh PROGRAM [OPTION...] -- COMMAND [ARGUMENT...]
set -eu

work=$(mktemp -d)
demo=
cleanup() {
    if [ -n "$demo" ]; then
        kill -TERM "$demo" 2>/dev/null || true
        wait "$demo" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap cleanup EXIT

program=$1
shift
options=
while [ "$1" != -- ]; do
    options="$options $1"
    shift
done
shift

# shellcheck disable=SC2086 # options are words
"$program" demo --json --no-activity --port 0 $options >"$work/demo" 2>"$work/log" &
demo=$!
tries=0
until [ -s "$work/demo" ]; do
    tries=$((tries + 1))
    if [ "$tries" -gt 300 ] || ! kill -0 "$demo" 2>/dev/null; then
        tail -5 "$work/log" >&2
        exit 1
    fi
    sleep 0.1
done
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$work/demo"; }
BASE=$(field base_url) KEY=$(field api_key) ADMIN=$(field admin_key)
ACCOUNT=$(field integrated_account_id) SANDBOX=$(field sandbox_url)
export BASE KEY ADMIN ACCOUNT SANDBOX

status=0
"$@" || status=$?
exit $status
