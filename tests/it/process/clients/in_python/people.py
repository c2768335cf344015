"""`admin.users.*`, sessions and roles: permissions and their expiry."""

import time

from common import everything, one, refused


def member(client, team, user):
    """Returns the row of a member of a workspace, or `None`."""
    rows = everything(client.admin_users_list, "users", team_id=team)
    found = [row for row in rows if row["id"] == user]
    return found[0] if found else None


def channels_of(client, team):
    return client.admin_teams_settings_info(team_id=team)["team"]["default_channels"]


def see(client, made, team, user):
    """`user` is in no workspace yet; `made` is a workspace without other members."""
    invite(client, team)
    raise_and_lower(client, made, user)
    see_roles(client, made, user)
    see_sessions(client, user)
    be_guest(client, team)
    client.admin_users_remove(team_id=made, user_id=user)
    assert member(client, made, user) is None


def invite(client, team):
    fields = {
        "team_id": team,
        "email": "nova.reyes@lumenworks.example",
        "channel_ids": channels_of(client, team)[:1],
        "real_name": "Nova Reyes",
    }
    client.admin_users_invite(**fields)
    refused("already_in_team_invited_user", client.admin_users_invite, **fields)
    client.admin_users_invite(**fields, resend=True)
    people = everything(client.users_list, "members", team_id=team)
    nova = [one for one in people if one["profile"].get("email") == fields["email"]]
    assert len(nova) == 1 and nova[0]["is_invited_user"] is True, nova
    assert nova[0]["profile"]["real_name"] == "Nova Reyes", nova


def raise_and_lower(client, team, user):
    where = {"team_id": team, "user_id": user}
    client.admin_users_assign(**where)
    refused("user_already_team_member", client.admin_users_assign, **where)
    row = member(client, team, user)
    assert team in row["workspaces"] and not row["is_admin"], row
    client.admin_users_setAdmin(**where)
    assert member(client, team, user)["is_admin"] is True
    assert user in client.admin_teams_admins_list(team_id=team)["admin_ids"]
    client.admin_users_setOwner(**where)
    assert member(client, team, user)["is_owner"] is True
    assert user in client.admin_teams_owners_list(team_id=team)["owner_ids"]
    client.admin_users_setRegular(**where)
    row = member(client, team, user)
    assert not row["is_owner"] and not row["is_admin"], row
    assert user not in client.admin_teams_admins_list(team_id=team)["admin_ids"]
    refused("user_not_found", client.admin_users_setAdmin, team_id=team, user_id="W00000000")


def see_roles(client, team, user):
    fields = {"role_id": "Rl05", "entity_ids": [team], "user_ids": [user]}
    more = {**fields, "user_ids": [user, "W00000000"]}
    response = refused("failed_for_some_users", client.admin_roles_addAssignments, **more)
    assert [one["id"] for one in response["rejected_users"]] == ["W00000000"], response.data
    where = {"role_ids": ["Rl05"], "entity_ids": [team]}
    rows = client.admin_roles_listAssignments(**where)["role_assignments"]
    assert one(rows, user_id=user)["entity_id"] == team, rows
    assert "Rl05" in member(client, team, user)["roles"]
    client.admin_roles_removeAssignments(**fields)
    assert client.admin_roles_listAssignments(**where)["role_assignments"] == []
    everyone = everything(client.admin_roles_listAssignments, "role_assignments", limit=3)
    assert everyone, "nobody has a role"


def see_sessions(client, user):
    """Checks sessions and their maximum duration."""
    rows = everything(client.admin_users_session_list, "active_sessions", limit=60)
    users = list(dict.fromkeys(row["user_id"] for row in rows))
    first, second, third = [one for one in users if one != client.auth_test()["user_id"]][:3]

    def sessions(who):
        found = [row for row in rows if row["user_id"] == who]
        return found[0]["team_id"], {row["session_id"] for row in found}

    place, gone = sessions(first)
    session = str(gone.pop())
    client.admin_users_session_invalidate(session_id=session, team_id=place, user_id=first)
    after = everything(client.admin_users_session_list, "active_sessions", limit=60)
    assert session not in {str(row["session_id"]) for row in after}
    client.admin_users_session_reset(user_id=second)
    where = {"team_id": sessions(second)[0], "user_id": second}
    refused("no_active_sessions", client.admin_users_session_list, **where)
    client.admin_users_session_resetBulk(user_ids=[first, third])
    after = everything(client.admin_users_session_list, "active_sessions", limit=60)
    assert not {first, second, third} & {row["user_id"] for row in after}
    settings = lambda: client.admin_users_session_getSettings(user_ids=[user, first])
    assert set(settings()["no_settings_applied"]) == {user, first}
    client.admin_users_session_setSettings(user_ids=[user], duration=28_800)
    row = one(settings()["session_settings"], user_id=user)
    assert row["duration"] == 28_800 and settings()["no_settings_applied"] == [first]
    client.admin_users_session_clearSettings(user_ids=[user])
    assert settings()["session_settings"] == []


def be_guest(client, team):
    """Invites a guest and sets an expiry."""
    until = int(time.time()) + 90 * 86_400
    client.admin_users_invite(
        team_id=team,
        email="ines.okafor@visitors.example",
        channel_ids=channels_of(client, team)[:1],
        is_restricted=True,
        guest_expiration_ts=until,
        real_name="Ines Okafor",
    )
    guests = everything(client.admin_users_list, "users", team_id=team, only_guests=True)
    guest = [row for row in guests if row["is_restricted"] and not row["is_ultra_restricted"]][0]
    where = {"team_id": team, "user_id": guest["id"]}
    client.admin_users_setExpiration(**where, expiration_ts=until)
    shown = client.admin_users_getExpiration(user_id=guest["id"], target_team=team)["user"]
    assert shown["expiration_ts"] == until and shown["is_restricted"], shown
    assert member(client, team, guest["id"])["expiration_ts"] == until
    refused(
        "cannot_set_this_guest_to_regular_at_team_level", client.admin_users_setRegular, **where
    )
