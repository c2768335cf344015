"""SCIM 1.1 by the SDK's own client: users and groups are created, changed and deleted."""

from slack_sdk.scim import Group, SCIMClient, User
from slack_sdk.scim.v1.group import GroupMember
from slack_sdk.scim.v1.user import UserEmail, UserName


class Directory:
    """The client, and what it creates in the organization."""

    def __init__(self, base_url, token):
        self.scim = SCIMClient(base_url=f"{base_url}/scim/v1/", token=token)

    def hire(self, name, given, family):
        """Creates an account; returns its id."""
        user = User(
            user_name=name,
            name=UserName(given_name=given, family_name=family),
            display_name=given,
            emails=[UserEmail(value=f"{name}@lumenworks.example", type="work", primary=True)],
            title="Navigator",
        )
        made = self.scim.create_user(user)
        assert made.status_code == 201 and made.user.id and made.user.active, made.body
        assert made.user.user_name == name and made.user.name.family_name == family, made.body
        again = self.scim.create_user(user)
        assert again.status_code == 409 and again.errors.code == 409, again.body
        return made.user.id

    def user(self, user_id):
        read = self.scim.read_user(user_id)
        assert read.status_code == 200 and read.user.id == user_id, read.body
        return read.user

    def group(self, group_id):
        read = self.scim.read_group(group_id)
        assert read.status_code == 200 and read.group.id == group_id, read.body
        return read.group


def people(directory):
    """Changes an account in every way except deletion; returns its id."""
    scim, ada = directory.scim, directory.hire("ada.quist", "Ada", "Quist")
    found = scim.search_users(count=10, start_index=1, filter='email eq "ada.quist@lumenworks.example"')
    assert [user.id for user in found.users] == [ada] and found.body["totalResults"] == 1, found.body
    before = scim.search_users(count=1, start_index=1)
    assert before.body["itemsPerPage"] == 1 and len(before.users) == 1, before.body

    patched = scim.patch_user(ada, User(title="First navigator"))
    assert patched.status_code == 200 and patched.user.title == "First navigator", patched.body
    assert directory.user(ada).user_name == "ada.quist", "a patch left the rest alone"

    user = directory.user(ada)
    user.title, user.display_name = None, "Ada Q"
    user.name = UserName(given_name="Ada", family_name="Quist-Moran")
    put = scim.update_user(user)
    assert put.status_code == 200, put.body
    user = directory.user(ada)
    assert user.name.family_name == "Quist-Moran" and not user.title, user
    assert user.display_name == "Ada Q", user

    missing = scim.read_user("W00000000")
    assert missing.status_code == 404 and missing.errors.description, missing.body
    return ada


def groups(directory, members):
    """Changes a group in every way except deletion; returns its id."""
    scim = directory.scim
    fields = Group(display_name="Crew", members=[GroupMember(value=members[0])])
    made = scim.create_group(fields)
    assert made.status_code == 201 and made.group.display_name == "Crew", made.body
    crew = made.group.id
    scim.patch_group(crew, Group(members=[GroupMember(value=members[1])]))
    found = [member.value for member in directory.group(crew).members]
    assert sorted(found) == sorted(members), found
    group = directory.group(crew)
    group.display_name, group.members = "Night crew", [GroupMember(value=members[1])]
    put = scim.update_group(group)
    assert put.status_code in (200, 204), put.body
    group = directory.group(crew)
    assert group.display_name == "Night crew", group
    assert [member.value for member in group.members] == members[1:], group
    assert crew in [known.value for known in directory.user(members[1]).groups]
    pages = [scim.search_groups(count=1, start_index=place).groups for place in (1, 2)]
    assert pages[0][0].id != pages[1][0].id
    return crew


def leave(directory, user):
    """The account is deactivated, reactivated, and deactivated again."""
    scim = directory.scim
    assert scim.delete_user(user).status_code in (200, 204)
    assert directory.user(user).active is False
    assert scim.patch_user(user, User(active=True)).user.active is True
    assert directory.user(user).active is True
    assert scim.patch_user(user, User(active=False)).user.active is False


def dissolve(directory, group):
    assert directory.scim.delete_group(group).status_code in (200, 204)
    assert directory.scim.read_group(group).status_code == 404
