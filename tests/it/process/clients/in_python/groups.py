"""`usergroups.*` and `admin.usergroups.*`: groups that can be mentioned."""

from common import one, refused


def see(client, team, people, idp_group):
    see_usergroups(client, team, people)
    see_idp_group(client, team, idp_group)


def listed(client, team, **arguments):
    return client.usergroups_list(team_id=team, include_users=True, **arguments)["usergroups"]


def see_usergroups(client, team, people):
    fields = {"name": "Night shift", "handle": "night-shift", "team_id": team}
    made = client.usergroups_create(**fields, description="Who is awake")["usergroup"]
    refused("name_already_exists", client.usergroups_create, **{**fields, "handle": "owls"})
    group = made["id"]
    where = {"usergroup": group, "team_id": team}
    assert one(listed(client, team), id=group)["description"] == "Who is awake"
    client.usergroups_users_update(**where, users=people)
    assert sorted(client.usergroups_users_list(**where)["users"]) == sorted(people)
    assert sorted(one(listed(client, team), id=group)["users"]) == sorted(people)
    client.usergroups_update(**where, name="Owls", handle="owls")
    row = one(listed(client, team), id=group)
    assert row["name"] == "Owls" and row["handle"] == "owls", row
    client.usergroups_disable(**where)
    assert group not in [row["id"] for row in listed(client, team)]
    assert one(listed(client, team, include_disabled=True), id=group)["date_delete"] > 0
    client.usergroups_enable(**where)
    assert one(listed(client, team), id=group)["date_delete"] == 0
    refused("no_such_subteam", client.usergroups_users_list, usergroup="S00000000", team_id=team)


def see_idp_group(client, team, group):
    """Links a group of the identity provider to a workspace and to its channels."""
    client.admin_usergroups_addTeams(usergroup_id=group, team_ids=[team])
    channels = [
        row["id"]
        for row in client.conversations_list(team_id=team, types="public_channel")["channels"]
    ][:2]
    where = {"usergroup_id": group, "team_id": team}
    assert client.admin_usergroups_listChannels(**where)["channels"] == []
    client.admin_usergroups_addChannels(**where, channel_ids=channels)
    shown = client.admin_usergroups_listChannels(**where, include_num_members=True)["channels"]
    assert sorted(row["id"] for row in shown) == sorted(channels), shown
    client.admin_usergroups_removeChannels(usergroup_id=group, channel_ids=channels[:1])
    shown = client.admin_usergroups_listChannels(**where)["channels"]
    assert [row["id"] for row in shown] == channels[1:], shown
    client.admin_usergroups_removeChannels(usergroup_id=group, channel_ids=channels)
    assert client.admin_usergroups_listChannels(**where)["channels"] == []
