"""Slack's Python SDK on a tour through the gateway: python through_proxy.py BASE_URL TOKEN

The SDK gets only the URL of the proxy and an account token. Prints its results as one JSON object.
"""

import json
import sys

import files
import workspaces
from common import everything, refused
from slack_sdk import WebClient


def main():
    base_url, token = sys.argv[1:]
    client = WebClient(base_url=f"{base_url}/proxy/api/", token=token)
    me = client.auth_test()
    assert "files:write" in me.headers["x-oauth-scopes"], me.headers
    team = everything(client.auth_teams_list, "teams", limit=2)[0]["id"]
    people = everything(client.users_list, "members", limit=15, team_id=team)
    for person in people[:3]:
        assert client.users_info(user=person["id"])["user"]["id"] == person["id"]
    refused("user_not_found", client.users_info, user="W00000000")
    made, _ = workspaces.see(client, me)
    print(json.dumps({"people": len(people), "workspace": made, "sha256": files.see(client)}))


if __name__ == "__main__":
    main()
