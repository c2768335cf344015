#!/bin/sh
# Runs a typical load against a demo, as the training run of profile-guided optimization (scripts/release.sh). The
# compiler optimizes the code that this load executes for speed, all other code for size.
#
#   scripts/with_demo.sh PROGRAM ... -- scripts/pgo_workload.sh
set -eu

# calls COUNT PATH [CURL_OPTION...]: sends COUNT requests of a path, up to 16 concurrently, on reused connections. A failed request ends the run: error
# paths must not enter the profile.
calls() {
    count=$1 path=$2
    shift 2
    curl --no-progress-meter --fail --parallel --parallel-max 16 --header "Authorization: Bearer $ADMIN" \
        --header "X-Integrated-Account-Id: $ACCOUNT" "$@" --output /dev/null "$BASE/$path#[1-$count]"
}
change() { calls "$1" "$2" --request "$3" --header 'Content-Type: application/json' --data "$4"; }

user=$(curl --silent --fail --header "Authorization: Bearer $ADMIN" --header "X-Integrated-Account-Id: $ACCOUNT" \
    "$BASE/users?limit=3" | sed 's/.*"id":"\([UW][A-Z0-9]*\)".*/\1/')

calls 40000 "proxy/api/users.info?user=$user"
calls 2000 "proxy/scim/v2/Users?count=10"
calls 150 "users?limit=1000"
calls 2000 "users?limit=20"
calls 2000 "users/$user"
for kind in roles role-assignments workspaces; do calls 500 "$kind?limit=50"; done
change 60 "users/$user" PATCH '{"title": "Engineer"}'
change 60 proxy/api/users.info POST "{\"user\": \"$user\"}"
calls 100 metrics
calls 100 integrated-accounts
