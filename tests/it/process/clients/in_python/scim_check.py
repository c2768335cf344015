"""The public SCIM 2.0 checker against the sandbox: python scim_check.py BASE_URL CLIENT_ID SECRET

Prints what it finds fault with as JSON; which of that is Slack's own way, the caller knows. The
checker makes up texts of 36 letters and no moments: here they are days, which are short enough for
a userName of Slack and are moments too.
"""

import datetime
import itertools
import json
import sys
import types

import httpx2
import scim2_tester.filling
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import ScimProvider, ServiceProviderConfig
from scim2_tester import check_server

import browser

FIRST = datetime.date(2031, 1, 1)


def made_up():
    days = (FIRST + datetime.timedelta(days=number) for number in itertools.count())
    return types.SimpleNamespace(uuid4=lambda: next(days))


def describe(client, http):
    """What Slack says of itself, less the two members that version 2.0 does not know."""
    said = http.get("ServiceProviderConfig").json()
    said.pop("xmlDataFormat")
    for scheme in said["authenticationSchemes"]:
        scheme.pop("specUrl")
    config = ServiceProviderConfig.model_validate(said)
    known = client.provider
    client.provider = ScimProvider(known.models, known.resource_types, config, known.policy)


def main():
    base_url = sys.argv[1]
    token = browser.admin_token(*sys.argv[1:])
    bearer = {"Authorization": f"Bearer {token}"}
    http = httpx2.Client(base_url=f"{base_url}/scim/v2/", headers=bearer, trust_env=False)
    client = SyncSCIMClient(http)
    describe(client, http)
    scim2_tester.filling.uuid = made_up()
    results = check_server(client)
    faults = [
        {"check": one.title, "resource": one.resource_type or "", "reason": one.reason or ""}
        for one in results
        if one.status.name not in ("SUCCESS", "SKIPPED")
    ]
    print(json.dumps({"checks": len(results), "faults": faults}))


if __name__ == "__main__":
    main()
