"""scim2-tester, unmodified, on a sandbox: python scim_checker.py BASE_URL CLIENT_ID CLIENT_SECRET

Prints every result as a JSON list. The checker reads the schemas that the server publishes and then
tries everything that they declare. It gets example values where Slack does not accept arbitrary ones:
a userName of 21 characters, a guest of the type `multi`, existing users.
"""

import itertools
import json
import random
import sys
from datetime import datetime, timezone

from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import Path, ScimPolicy, ScimProvider
from scim2_tester import check_server

import browser

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
GUEST = "urn:ietf:params:scim:schemas:extension:slack:guest:2.0:User"
PROFILE = "urn:ietf:params:scim:schemas:extension:slack:profile:2.0:User"


class Names:
    """Example names: a different one for each use."""

    def __init__(self, form):
        self.form, self.numbers = form, itertools.count(1)

    def __len__(self):
        return 1

    def __getitem__(self, _):
        return self.form.format(next(self.numbers))


def described(http):
    """What the server publishes, parsed leniently: the checker is strict."""
    patient = ScimProvider(policy=ScimPolicy(unknown=ScimPolicy.Unknown.ignore))
    client = SyncSCIMClient(http, provider=patient)
    client.discover()
    found = client.provider
    return ScimProvider(found.models, found.resource_types, found.config)


def give_examples(provider, somebody):
    user, group = provider.model_for("User"), provider.model_for("Group")
    examples = {
        (user, "userName"): Names("sailor.{}"),
        (user, "nickName"): Names("matey.{}"),
        (user, "displayName"): Names("Sailor {}"),
        (user, "timezone"): ["America/Chicago", "Europe/Lisbon"],
        (user, "locale"): ["en_US", "pt_PT"],
        (user, "preferredLanguage"): ["en_US", "pt_PT"],
        (user, "addresses.country"): ["US", "PT"],
        (user, f"{ENTERPRISE}:manager.managerId"): [somebody],
        (user, f"{GUEST}:type"): ["multi"],
        (user, f"{GUEST}:expiration"): [datetime(2040, 11, 30, 23, 59, 59, tzinfo=timezone.utc)],
        (user, f"{PROFILE}:startDate"): [datetime(2024, 4, 10, tzinfo=timezone.utc)],
        (group, "displayName"): Names("Crew {}"),
        (group, "members.value"): [somebody],
    }
    for (model, path), values in examples.items():
        place = Path[model](path).resolve()
        place.target_model.model_fields[place.target_field_name].examples = values


def main():
    base_url, token = sys.argv[1], browser.admin_token(*sys.argv[1:])
    headers = {"Authorization": f"Bearer {token}"}
    http = Client(base_url=f"{base_url}/scim/v2", headers=headers, trust_env=False)
    provider = described(http)
    somebody = http.get("Users", params={"startIndex": 1, "count": 1}).json()["Resources"][0]["id"]
    give_examples(provider, somebody)
    # The checker uses random values; a fixed seed keeps the findings constant.
    random.seed(1)
    results = check_server(SyncSCIMClient(http, provider=provider))
    rows = [
        {
            "status": result.status.name,
            "check": result.title,
            "resource": result.resource_type,
            "attribute": result.data.get("urn") if isinstance(result.data, dict) else None,
            "reason": result.reason or "",
        }
        for result in results
    ]
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
