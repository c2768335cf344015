"""Helpers of all parts of the tour."""

import json
import urllib.request

from slack_sdk.errors import SlackApiError


def refused(code, call, /, **arguments):
    """Checks that the call fails with this code."""
    try:
        response = call(**arguments)
    except SlackApiError as error:
        assert error.response["error"] == code, error.response.data
        return error.response
    raise AssertionError(f"not refused with {code}: {response.data}")


def everything(call, field, limit=50, **arguments):
    """Returns all rows of a list with cursors, checking that none is repeated."""
    found, cursor = [], None
    for _ in range(200):
        page = call(limit=limit, cursor=cursor, **arguments)
        found += page[field]
        cursor = page.get("response_metadata", {}).get("next_cursor")
        if not cursor:
            ids = [one["id"] if isinstance(one, dict) and "id" in one else str(one) for one in found]
            assert len(ids) == len(set(ids)), f"something of {field} came twice"
            return found
    raise AssertionError(f"{field} has no end")


def one(things, **wanted):
    """Returns the only row with these fields."""
    found = [thing for thing in things if all(thing.get(k) == v for k, v in wanted.items())]
    assert len(found) == 1, f"{len(found)} of {wanted} in {things}"
    return found[0]


def tell(base_url, what, **body):
    """Posts to the sandbox's control API."""
    request = urllib.request.Request(f"{base_url}/_sandbox/{what}", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.load(response)
