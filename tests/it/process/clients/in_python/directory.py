"""SCIM: the identity provider's view of people and groups; and the audit log of it all."""

from slack_sdk.audit_logs import AuditLogsClient
from slack_sdk.scim import Group, SCIMClient, User
from slack_sdk.scim.v1.group import GroupMember
from slack_sdk.scim.v1.user import UserEmail, UserName

ADDRESS = "mira.solberg@lumenworks.example"


def see(app, token):
    scim = SCIMClient(base_url=f"{app.base_url}/scim/v1/", token=token)
    user = see_people(scim)
    see_groups(scim, user)
    scim.delete_user(user)
    assert scim.read_user(user).user.active is False
    see_log(app, token, user)


def see_people(scim):
    wish = User(
        user_name="mira.solberg",
        name=UserName(given_name="Mira", family_name="Solberg"),
        emails=[UserEmail(value=ADDRESS, primary=True)],
        title="Navigator",
    )
    made = scim.create_user(wish)
    assert made.status_code == 201 and made.user.active is True, made.body
    assert scim.create_user(wish).status_code == 409
    user = made.user.id
    assert scim.search_users(start_index=1, count=5, filter=f'email eq "{ADDRESS}"').users[0].id == user
    patched = scim.patch_user(user, partial_user=User(title="Pilot"))
    assert patched.user.title == "Pilot" and patched.user.user_name == "mira.solberg", patched.body
    changed = scim.read_user(user).user
    changed.name.family_name = "Solberg-Dahl"
    assert scim.update_user(changed).user.name.family_name == "Solberg-Dahl"
    assert scim.read_user("U00000000").errors.description == "no_such_user"
    return user


def see_groups(scim, user):
    made = scim.create_group(Group(display_name="Bridge", members=[GroupMember(value=user)]))
    group = made.group.id
    assert [member.value for member in made.group.members] == [user], made.body
    scim.patch_group(group, partial_group=Group(display_name="Bridge crew"))
    found = scim.read_group(group).group
    assert found.display_name == "Bridge crew" and len(found.members) == 1, found
    names = [one.display_name for one in scim.search_groups(start_index=1, count=100).groups]
    assert "Bridge crew" in names, names
    scim.delete_group(group)
    assert scim.read_group(group).errors.description == "no_such_group"


def see_log(app, token, user):
    log = AuditLogsClient(base_url=f"{app.base_url}/audit/v1/", token=token)
    entries = log.logs(action="user_created,user_deactivated", limit=50).typed_body.entries
    told = [entry.action for entry in entries if entry.entity.user.id == user]
    assert told == ["user_deactivated", "user_created"], told
    assert "user_created" in log.actions().body["actions"]["user"]
    assert log.schemas().body["schemas"]
