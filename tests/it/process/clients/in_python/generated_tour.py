"""The client that openapi-python-client generates, on a tour of the demo. Prints what it has seen as JSON."""

import json
import sys

from client import AuthenticatedClient
from client.api.administration import create_api_key, revoke_api_key
from client.api.me import get_me
from client.api.users import create_user, deactivate_user, get_user, list_users
from client.models import CreateApiKeyRequest, Problem, Scope, User, UserInput, UserStatus

base_url, api_key, admin_key, account = sys.argv[1:]
caller = AuthenticatedClient(base_url=base_url, token=api_key, raise_on_unexpected_status=True)
admin = AuthenticatedClient(base_url=base_url, token=admin_key, raise_on_unexpected_status=True)
at = {"client": caller, "integrated_account_id": account}

seen = {}
users, cursor = [], None
while True:
    page = list_users.sync(**at, limit=20, **({"next_cursor": cursor} if cursor else {}))
    users += page.result
    cursor = page.next_cursor
    if not cursor:
        break
seen["users"] = len(users)
one = get_user.sync(users[0].id, **at).result
seen["one_class"] = all(type(user) is User for user in [*users, one])
body = UserInput(email="grace.hopper@example.com", name="Grace Hopper")
created = create_user.sync(body=body, **at, idempotency_key="generated-python")
seen["created"] = [type(created.result) is User, created.result.name, len(created.parts)]
gone = deactivate_user.sync(created.result.id, **at)
seen["deactivated"] = gone.result.status == UserStatus.INACTIVE
seen["organization"] = bool(get_me.sync(**at).result.organization.id)
problem = get_user.sync("U0NOBODY", **at)
seen["problem"] = [type(problem) is Problem, problem.status]
key = create_api_key.sync(
    client=admin, body=CreateApiKeyRequest(name="Tour", scopes=[Scope.READ])
).result
seen["key"] = [key.name, key.key.startswith("sb_live_")]
seen["revoked"] = revoke_api_key.sync(key.id, client=admin).result.id == key.id
print(json.dumps(seen))
