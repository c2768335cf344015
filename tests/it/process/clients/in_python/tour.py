"""Slack's Python SDK on a tour of the sandbox: python tour.py BASE_URL CLIENT_ID CLIENT_SECRET

Nothing of the SDK is changed but the addresses that it is told. Prints what it has made as one
JSON object.
"""

import json
import sys

import basics
import directory
import gatherings
import install
import people
import workspaces


def main():
    app = install.App(*sys.argv[1:])
    install.refuse_and_narrow(app)
    install.exchange(app.base_url)
    installation = install.rotate(app, app.install())
    client = app.client(installation.user_token)
    some = basics.see(app, client, installation)
    made, team = workspaces.see(client, client.auth_test())
    people.see(client, made, team, some[-1])
    gatherings.see(client, team, some[0])
    directory.see(app, installation.user_token)
    install.end(app, installation)
    print(json.dumps({"workspace": made}))


if __name__ == "__main__":
    main()
