//! The user group object of `usergroups.*` and `subteam_*` events:
//! <https://docs.slack.dev/reference/objects/usergroup-object>.

use serde_json::{Value, json};

use crate::sandbox::org::{GridOrganization, GroupOwner, OrgGroup, PersonIndex};

/// Returns the user group object with all optional fields.
pub(in crate::sandbox) fn usergroup_object(org: &GridOrganization, group: &OrgGroup) -> Value {
    let from_provider = group.owner == GroupOwner::IdentityProvider;
    let team = match group.owner {
        GroupOwner::IdentityProvider => None,
        GroupOwner::Workspace(number) => org.workspaces.get(number).map(|team| team.id.as_str()),
    };
    let id = |index: PersonIndex| org.person(index).map(|person| person.id.as_str());
    let users: Vec<&str> = group.members.iter().filter_map(|index| id(*index)).collect();
    json!({
        "id": group.id,
        "team_id": team.unwrap_or(&org.id),
        "is_usergroup": true,
        "is_subteam": true,
        "name": group.name,
        "description": group.description,
        "handle": group.handle,
        "is_external": false,
        "date_create": group.created,
        "date_update": group.updated,
        "date_delete": group.disabled,
        "auto_type": null,
        "auto_provision": from_provider,
        "enterprise_subteam_id": if from_provider { group.id.as_str() } else { "" },
        "created_by": id(group.created_by),
        "updated_by": id(group.updated_by),
        "deleted_by": id(group.updated_by).filter(|_| group.disabled > 0),
        "prefs": {"channels": group.channels, "groups": []},
        "user_count": users.len(),
        "users": users,
        "channel_count": group.channels.len(),
        "is_section": false,
        "is_idp_group": from_provider,
        "is_visible": true,
        "is_editing_restricted": from_provider,
        "is_membership_locked": from_provider,
        "is_org_level": from_provider,
    })
}
