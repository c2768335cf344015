#!/bin/sh
# Does with a demo what gateways do most, in about the measure in which they do it. The compiler learns from it
# which parts of the program have to be fast (scripts/release.sh): what is missing here is laid out to be small.
#
#   scripts/with_demo.sh PROGRAM ... -- scripts/rehearse.sh
set -eu

# So many calls of a path, some at a time, on connections that are kept. One that fails ends the rehearsal: it would
# teach how to fail.
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
