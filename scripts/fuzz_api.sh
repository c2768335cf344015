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

if ! "$venv/bin/schemathesis" --version >/dev/null 2>&1; then
    said=$(mktemp)
    rm -rf "$venv"
    if ! { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --disable-pip-version-check \
        --timeout 15 --retries 1 "schemathesis==$version"; } >"$said" 2>&1; then
        echo "fuzz: skipped, schemathesis $version can't be installed: $(tail -1 "$said")" >&2
        rm -rf "$venv" "$said"
        exit 0
    fi
    rm -f "$said"
fi

# Limits refill so fast that no request waits for its turn. Nobody disconnects the account that the others are
# tried on. Everything needs the same key, so that the check that takes it away is the isolation test's.
cd "$here/tests/fuzz_api"
# shellcheck disable=SC2016 # the demo's values are known inside
SCHEMATHESIS_HOOKS=hooks PYTHONPATH=. exec "$here/scripts/with_demo.sh" "$target/debug/switchboard" \
    --time-scale 100000 -- sh -c '"$@" "$BASE/openapi.json" --header "Authorization: Bearer $ADMIN" \
        --header "X-Integrated-Account-Id: $ACCOUNT"' sh \
    "$venv/bin/schemathesis" --no-color --config-file schemathesis.toml run \
    --phases examples,coverage,fuzzing --exclude-checks ignored_auth \
    --max-examples "$examples" --continue-on-failure --workers 1 --seed 2026 \
    --max-time "${SECONDS_AT_MOST:-180}" --request-timeout 30
