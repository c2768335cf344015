"""`api.test`, `auth.*`, `team.*` and `users.*`: the basic methods."""

from common import everything, one, refused


def see(app, client, installation):
    """Returns some members of the first workspace."""
    assert app.anybody.api_test(foo="bar")["args"]["foo"] == "bar"
    refused("my_error", app.anybody.api_test, error="my_error")
    refused("not_authed", app.anybody.auth_test)
    refused("invalid_auth", app.client("xoxp-1").auth_test)
    me = client.auth_test()
    assert me["user_id"] == installation.user_id and me["is_enterprise_install"], me.data
    assert me["enterprise_id"] == installation.enterprise_id
    assert "admin.users:read" in me.headers["x-oauth-scopes"]
    teams = everything(client.auth_teams_list, "teams", limit=2, include_icon=True)
    assert all(team["icon"]["image_132"] for team in teams), teams
    for team in teams:
        info = client.team_info(team=team["id"])["team"]
        assert info["name"] == team["name"] and info["enterprise_id"] == me["enterprise_id"]
    assert client.team_info()["team"]["id"] == me["enterprise_id"]
    some = see_people(client, teams[0]["id"], me)
    see_profile(client, teams[0]["id"], some[0])
    see_books(client, teams[0]["id"], some[0])
    return some


def see_people(client, team, me):
    people = everything(client.users_list, "members", limit=15, team_id=team)
    plain = lambda person: not any(person[mark] for mark in ("deleted", "is_bot", "is_restricted"))
    active = [one for one in people if plain(one) and not one["enterprise_user"]["is_admin"]]
    for person in active[:3]:
        assert client.users_info(user=person["id"])["user"]["profile"] == person["profile"]
        found = client.users_lookupByEmail(email=person["profile"]["email"])["user"]
        assert found["id"] == person["id"] and team in found["enterprise_user"]["teams"], found
    assert "locale" in client.users_info(user=me["user_id"], include_locale=True)["user"]
    assert one(people, id=active[0]["id"])["team_id"]
    refused("user_not_found", client.users_info, user="W00000000")
    refused("users_not_found", client.users_lookupByEmail, email="nobody@lumenworks.example")
    return [person["id"] for person in active[:3]]


def see_profile(client, team, user):
    assert client.users_getPresence(user=user)["presence"] in ("active", "away")
    client.users_profile_set(user=user, profile={"title": "Night navigator"})
    assert client.users_profile_get(user=user)["profile"]["title"] == "Night navigator"
    assert client.users_info(user=user)["user"]["profile"]["title"] == "Night navigator"
    mine = everything(client.users_conversations, "channels", team_id=team, user=user)
    assert mine, f"{user} is in no channel"


def see_books(client, team, user):
    """Checks `team.*` for administrators."""
    logins = client.team_accessLogs(team_id=team, count=5)
    assert len(logins["logins"]) == 5 and logins["paging"]["total"] > 5, logins.data
    assert user in client.team_billableInfo(team_id=team, user=user)["billable_info"]
    assert client.team_billing_info()["plan"]
    assert "paging" in client.team_integrationLogs(team_id=team)
    assert "display_real_names" in client.team_preferences_list()
    assert "fields" in client.team_profile_get()["profile"]
    assert client.admin_users_unsupportedVersions_export()["ok"]
