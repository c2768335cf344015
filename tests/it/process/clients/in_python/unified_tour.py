"""Truto's own client, unmodified except for its base URL, tours the gateway.

    unified_tour.py BASE_URL KEY ACCOUNT      prints its results as JSON
"""

import asyncio
import json
import sys

from truto_python_sdk import TrutoApi

MODEL = "user-directory"


async def tour(base_url, key, account):
    client = TrutoApi(token=key, base_url=base_url)
    of = {"integrated_account_id": account}
    seen = {"ping": (await client.ping())["status"]}

    users = await client.unified_api.list(MODEL, "users", {**of, "limit": 100}).to_array()
    seen["users"] = len(users)
    seen["distinct"] = len({user["id"] for user in users})
    seen["has_remote_data"] = all(user["remote_data"] for user in users)
    inactive = client.unified_api.list(MODEL, "users", {**of, "status": "inactive", "limit": 5})
    seen["inactive"] = len(await inactive.to_array())

    workspaces = await client.unified_api.list(MODEL, "workspaces", dict(of)).to_array()
    seen["workspaces"] = len(workspaces)
    assignments = client.unified_api.list(MODEL, "role_assignments", {**of, "limit": 1000})
    seen["role_assignments"] = len(await assignments.to_array())
    seen["roles"] = len(await client.unified_api.list(MODEL, "roles", dict(of)).to_array())

    fields = {
        "first_name": "Ada",
        "last_name": "Lovelace",
        "emails": [{"email": "ada@example.com", "type": "work", "is_primary": True}],
        "phones": [{"number": "+44 1", "extension": None, "type": "work"}],
        "workspaces": [{"id": workspaces[0]["id"], "name": workspaces[0]["name"]}],
        "roles": [{"id": "ws:admin", "workspace": {"id": workspaces[0]["id"]}}],
    }
    made = await client.unified_api.create(MODEL, "users", fields, dict(of))
    read = await client.unified_api.get(MODEL, "users", made["id"], dict(of))
    seen["made"] = [read["id"] == made["id"], read["name"], read["type"], len(read["roles"])]
    held = client.unified_api.list(MODEL, "role_assignments", {**of, "user": {"id": made["id"]}})
    seen["held"] = [row["role_id"] for row in await held.to_array()]
    fields = {"title": "Countess"}
    changed = await client.unified_api.update(MODEL, "users", made["id"], fields, dict(of))
    seen["changed"] = changed["title"]
    gone = await client.unified_api.delete(MODEL, "users", made["id"], dict(of))
    seen["gone"] = gone["status"]

    link = await client.link_tokens.create({"tenant_id": "second"})
    again = await client.link_tokens.create({"integrated_account_id": account})
    seen["link_tokens"] = [bool(one["link_token"]) for one in (link, again)]
    accounts = await client.integrated_accounts.list().to_array()
    seen["accounts"] = [one["id"] == account for one in accounts]
    await client.integrated_accounts.update(account, {"context": {"plan": "gold"}})
    seen["context"] = (await client.integrated_accounts.get(account))["context"]
    await client.integrated_accounts.refresh_credentials(account)
    token = await client.integrated_accounts.create_integrated_account_token(account)
    bound = TrutoApi(token=token["integrated_account_token"], base_url=base_url)
    own = await bound.unified_api.list(MODEL, "workspaces", {"limit": 2}).to_array()
    seen["by_account_token"] = len(own)
    proxied = await bound.proxy_api.get("api", "auth.test", {})
    seen["proxied"] = proxied["ok"]
    seen["environments"] = len(await client.environments.list().to_array())
    try:
        await client.unified_api.get(MODEL, "users", "U0NOBODY", dict(of))
    except Exception as error:  # The client raises aiohttp's own.
        seen["unknown"] = error.status
    return seen


print(json.dumps(asyncio.run(tour(*sys.argv[1:]))))
