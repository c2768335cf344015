#!/bin/sh
# Fuzzes every operation of /openapi.json with generated requests, valid and invalid. Fails on a 5xx, on a response that
# violates its schema, and on an undocumented status. Needs Python and PyPI; skipped with a message without them.
#
#   scripts/fuzz_api.sh [EXAMPLES]     requests per operation (default 40)
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
examples=${1:-40}
version=4.32.5
target=${CARGO_TARGET_DIR:-$here/target}
venv=$target/schemathesis-$version

if ! "$venv/bin/schemathesis" --version >/dev/null 2>&1; then
    log=$(mktemp)
    rm -rf "$venv"
    if ! { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --disable-pip-version-check \
        --timeout 15 --retries 1 "schemathesis==$version"; } >"$log" 2>&1; then
        echo "fuzz: skipped, schemathesis $version can't be installed: $(tail -1 "$log")" >&2
        rm -rf "$venv" "$log"
        exit 0
    fi
    rm -f "$log"
fi

# The time scale is so large that no request waits for a permit. Hooks exclude the disconnection of the account under
# test. Requests without a key are covered by the isolation test, so `ignored_auth` is excluded.
cd "$here/tests/fuzz_api"
# shellcheck disable=SC2016 # expanded by the inner shell
SCHEMATHESIS_HOOKS=hooks PYTHONPATH=. exec "$here/scripts/with_demo.sh" "$target/debug/switchboard" \
    --time-scale 100000 -- sh -c '"$@" "$BASE/openapi.json" --header "Authorization: Bearer $ADMIN" \
        --header "X-Integrated-Account-Id: $ACCOUNT"' sh \
    "$venv/bin/schemathesis" --no-color --config-file schemathesis.toml run \
    --phases examples,coverage,fuzzing --exclude-checks ignored_auth \
    --max-examples "$examples" --continue-on-failure --workers 1 --seed 2026 \
    --max-time "${MAX_SECONDS:-180}" --request-timeout 30
