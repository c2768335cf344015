"""Slack's Python SDK on a tour of the sandbox: python tour.py BASE_URL CLIENT_ID CLIENT_SECRET

The SDK is unmodified except for its URLs. Prints what it has created as one JSON object.
"""

import json
import sys

import basics
import events
import files
import groups
import history
import install
import people
import provisioning
import workspaces


def main():
    app = install.App(*sys.argv[1:])
    install.refuse_and_narrow(app)
    install.exchange(app.base_url)
    installation = install.rotate(app, app.install())
    client = app.client(installation.user_token)
    me = client.auth_test()
    mailbox = events.Mailbox(ahead=install.MOVED)
    mailbox.subscribe(app.base_url)

    some = basics.see(app, client, installation)
    directory = provisioning.Directory(app.base_url, installation.user_token)
    ada, bo = provisioning.people(directory), directory.hire("bo.lind", "Bo", "Lind")
    crew = provisioning.groups(directory, [ada, bo])
    made, team = workspaces.see(client, me)
    people.see(client, made, team, ada)
    groups.see(client, team, some, crew)
    files.see(client)
    provisioning.leave(directory, ada)
    provisioning.dissolve(directory, crew)
    history.see(app.base_url, installation.user_token, me, ada)
    events.see(mailbox, ada, crew)

    install.end(app, installation)
    mailbox.expect("app_uninstalled")
    print(json.dumps({"user": ada, "workspace": made}))


if __name__ == "__main__":
    main()
