"""`admin.teams.*`, `admin.conversations.search` and `conversations.*`: workspaces and channels."""

from common import everything, one, refused

NEW = {"team_domain": "north-star", "team_name": "North Star"}


def see(client, me):
    """Creates a workspace and changes it; returns its id and that of another one."""
    before = everything(client.admin_teams_list, "teams", limit=2)
    made = client.admin_teams_create(
        **NEW, team_description="Where the voyage is planned", team_discoverability="closed"
    )["team"]
    refused("name_taken_in_org", client.admin_teams_create, **{**NEW, "team_domain": "polaris"})
    refused("domain_taken", client.admin_teams_create, **{**NEW, "team_name": "Polaris"})
    teams = everything(client.admin_teams_list, "teams", limit=2)
    assert {team["id"] for team in teams} == {team["id"] for team in before} | {made}
    row = one(teams, id=made)
    assert row["name"] == "North Star" and row["discoverability"] == "closed", row
    assert row["primary_owner"]["user_id"] == me["user_id"], row
    assert settings(client, made)["domain"] == "north-star"
    change_settings(client, made)
    assert client.team_info(team=made)["team"]["name"] == "North Star II"
    refused("team_not_found", client.admin_teams_settings_info, team_id="T00000000")
    see_ranks(client, before[0])
    see_conversations(client, before[0]["id"])
    return made, before[0]["id"]


def settings(client, team):
    return client.admin_teams_settings_info(team_id=team)["team"]


def change_settings(client, team):
    client.admin_teams_settings_setName(team_id=team, name="North Star II")
    client.admin_teams_settings_setDescription(team_id=team, description="Charts")
    client.admin_teams_settings_setDiscoverability(team_id=team, discoverability="invite_only")
    picture = "https://pictures.lumenworks.example/star.png"
    assert settings(client, team)["icon"]["image_default"] is True
    client.admin_teams_settings_setIcon(team_id=team, image_url=picture)
    changed = settings(client, team)
    assert changed["name"] == "North Star II" and not changed["icon"].get("image_default"), changed
    row = one(everything(client.admin_teams_list, "teams"), id=team)
    assert row["name"] == "North Star II" and row["discoverability"] == "invite_only", row


def see_ranks(client, team):
    owners = everything(client.admin_teams_owners_list, "owner_ids", team_id=team["id"])
    admins = everything(client.admin_teams_admins_list, "admin_ids", team_id=team["id"])
    assert team["primary_owner"]["user_id"] in owners and not set(owners) & set(admins)


def see_conversations(client, team):
    found = everything(
        client.admin_conversations_search, "conversations", limit=5, team_ids=[team]
    )
    general = one(found, is_general=True)
    hits = client.admin_conversations_search(query=general["name"], team_ids=[team])
    assert general["id"] in [hit["id"] for hit in hits["conversations"]], hits.data
    channels = everything(
        client.conversations_list, "channels", limit=3, team_id=team, types="public_channel"
    )
    known = one(channels, id=general["id"])
    info = client.conversations_info(channel=known["id"], include_num_members=True)["channel"]
    assert info["name"] == known["name"] == general["name"], (info, known)
    members = everything(client.conversations_members, "members", channel=known["id"])
    assert len(members) == info["num_members"] == general["member_count"]
    refused("channel_not_found", client.conversations_info, channel="C00000000")
    default = [channel["id"] for channel in channels if not channel["is_private"]][:2]
    client.admin_teams_settings_setDefaultChannels(team_id=team, channel_ids=default)
    assert set(default) <= set(settings(client, team)["default_channels"])
