#!/bin/sh
# Tries every operation of /openapi.json with drawn requests, good ones and bad ones: no 5xx, no answer
# that its schema doesn't describe, no undocumented status. Needs Python and PyPI; without them it says
# so and leaves it at that.
#
#   scripts/fuzz_api.sh [EXAMPLES]     how many requests are drawn for each operation (default 40)
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
examples=${1:-40}
version=4.32.5
target=${CARGO_TARGET_DIR:-$here/target}
venv=$target/schemathesis-$version
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

if ! "$venv/bin/schemathesis" --version >/dev/null 2>&1; then
    rm -rf "$venv"
    if ! { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --disable-pip-version-check \
        --timeout 15 --retries 1 "schemathesis==$version"; } >"$work/pip" 2>&1; then
        echo "fuzz: skipped, schemathesis $version can't be installed: $(tail -1 "$work/pip")" >&2
        rm -rf "$venv"
        exit 0
    fi
fi

# Limits refill so fast that no request waits for its turn.
"$target/debug/switchboard" demo --json --port 0 --time-scale 100000 >"$work/demo" 2>"$work/log" &
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

# Nobody disconnects the account that the others are tried on. Everything needs the same key, so that
# the check that takes it away is the isolation test's.
status=0
cd "$here/tests/fuzz_api"
SCHEMATHESIS_HOOKS=hooks PYTHONPATH=. "$venv/bin/schemathesis" --no-color --config-file schemathesis.toml run \
    "$(field base_url)/openapi.json" \
    --header "Authorization: Bearer $(field admin_key)" \
    --header "X-Integrated-Account-Id: $(field integrated_account_id)" \
    --phases examples,coverage,fuzzing --exclude-checks ignored_auth \
    --max-examples "$examples" --continue-on-failure --workers 1 --seed 2026 --max-time ${SECONDS_AT_MOST:-180} \
    --request-timeout 30 || status=$?
exit $status
