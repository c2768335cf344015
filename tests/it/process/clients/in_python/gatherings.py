"""Channels, user groups, sessions, and what `team.*` tells administrators."""

from common import everything, one, refused


def see(client, team, user):
    see_channels(client, team, user)
    see_groups(client, team, user)
    see_sessions(client, team, user)
    see_team(client, team, user)


def see_channels(client, team, user):
    kinds = "public_channel,private_channel"
    channels = everything(client.conversations_list, "channels", team_id=team, types=kinds, limit=2)
    general = one(channels, name="general")
    shown = client.conversations_info(channel=general["id"], include_num_members=True)["channel"]
    members = everything(client.conversations_members, "members", channel=general["id"], limit=7)
    assert shown["num_members"] == len(members) and user in members, shown
    mine = everything(client.users_conversations, "channels", team_id=team, user=user)
    assert general["id"] in [channel["id"] for channel in mine], mine
    found = client.admin_conversations_search(team_ids=[team], query="gener")["conversations"]
    assert one(found, id=general["id"])["member_count"] == len(members), found
    refused("channel_not_found", client.conversations_info, channel="C00000000")


def see_groups(client, team, user):
    made = client.usergroups_create(team_id=team, name="Night watch", handle="night-watch")
    group = {"usergroup": made["usergroup"]["id"], "team_id": team}
    client.usergroups_users_update(**group, users=[user])
    assert client.usergroups_users_list(**group)["users"] == [user]
    client.usergroups_update(**group, description="Awake when others are not")
    client.usergroups_disable(**group)
    assert not listed(client, team, group)
    client.usergroups_enable(**group)
    row = listed(client, team, group)[0]
    assert row["description"] == "Awake when others are not" and row["user_count"] == 1, row
    refused("no_such_subteam", client.usergroups_users_list, usergroup="S00000000", team_id=team)


def listed(client, team, group):
    rows = client.usergroups_list(team_id=team, include_count=True)["usergroups"]
    return [row for row in rows if row["id"] == group["usergroup"]]


def see_sessions(client, team, user):
    sessions = everything(client.admin_users_session_list, "active_sessions", limit=40)
    assert sessions, "nobody is signed in"
    client.admin_users_session_setSettings(user_ids=[user], duration=86_400)
    settings = client.admin_users_session_getSettings(user_ids=[user])["session_settings"]
    assert one(settings, user_id=user)["duration"] == 86_400, settings
    client.admin_users_session_clearSettings(user_ids=[user])
    assert client.admin_users_session_getSettings(user_ids=[user])["no_settings_applied"] == [user]
    client.admin_users_session_reset(user_id=user)
    where = {"team_id": team, "user_id": user}
    refused("no_active_sessions", client.admin_users_session_list, **where)
    client.admin_users_session_resetBulk(user_ids=[user])


def see_team(client, team, user):
    teams = everything(client.auth_teams_list, "teams", limit=2)
    assert one(teams, id=team)["name"]
    logins = client.team_accessLogs(team_id=team, count=5)
    assert len(logins["logins"]) == 5 and logins["paging"]["total"] > 5, logins.data
    assert user in client.team_billableInfo(team_id=team, user=user)["billable_info"]
    assert client.users_getPresence(user=user)["presence"] in ("active", "away")
