"""Slack's Python SDK on a tour of a directory: python slack_sdk_tour.py BASE_URL TOKEN

Prints its results as one JSON object. All calls go through the gateway's proxy; the SDK gets only
the URL and the token.
"""

import json
import sys

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.scim import SCIMClient


def by_cursor(call, field):
    """Returns all rows of a list with cursors."""
    found, cursor = [], None
    for _ in range(100):
        page = call(limit=37, cursor=cursor)
        found += page[field]
        cursor = page.get("response_metadata", {}).get("next_cursor")
        if not cursor:
            return found
    raise AssertionError(f"{field} has no end")


def by_index(call, field):
    """Returns all rows of a list with a start index, and its declared total."""
    found = []
    for _ in range(100):
        page = call(start_index=len(found) + 1, count=37)
        assert page.status_code == 200, page.body
        batch = getattr(page, field)
        found += batch
        total = page.body["totalResults"]
        if len(found) >= total or not batch:
            return found, total
    raise AssertionError(f"{field} has no end")


def ids(things):
    """Returns how many there are, checking that none is repeated."""
    seen = [thing["id"] if isinstance(thing, dict) else thing.id for thing in things]
    assert len(seen) == len(set(seen)), "something came twice"
    return len(seen)


def web(base_url, token):
    client = WebClient(base_url=f"{base_url}/proxy/api/", token=token)
    me = client.auth_test()
    assert me["ok"] and me["enterprise_id"].startswith("E"), me.data
    people = by_cursor(client.admin_users_list, "users")
    active = [person for person in people if person.get("is_active", True)]
    assert client.users_info(user=me["user_id"])["user"]["id"] == me["user_id"]
    try:
        client.users_info(user="W00000000")
        unknown = "no error"
    except SlackApiError as error:
        unknown = error.response["error"]
    teams = by_cursor(client.admin_teams_list, "teams")
    return {"active_users": ids(active), "teams": ids(teams), "unknown_user": unknown}


def scim(base_url, token, version):
    client = SCIMClient(base_url=f"{base_url}/proxy/scim/{version}/", token=token)
    users, total = by_index(client.search_users, "users")
    read = client.read_user(users[0].id)
    assert read.status_code == 200 and read.user.id == users[0].id, read.body
    assert read.user.emails[0].value, read.body
    assert client.read_user("W00000000").status_code == 404
    groups, _ = by_index(client.search_groups, "groups")
    return {"users": ids(users), "total": total, "groups": ids(groups)}


def main():
    base_url, token = sys.argv[1:]
    seen = web(base_url, token)
    seen["scim"] = {version: scim(base_url, token, version) for version in ("v1", "v2")}
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
