//! Groups of the identity provider as SCIM shows them.

use serde_json::{Value, json};

use super::user::rfc3339;
use super::version::{Schema, Trouble, Version};
use super::window::{Window, list_answer};
use crate::sandbox::org::{Group, GroupIndex, Organization};

/// A page of groups.
pub(super) fn list(org: &Organization, version: Version, base: &str, window: Window) -> Value {
    let groups = window.cut(org.groups.of_identity_provider().map(|(_, group)| group));
    let resources: Vec<Value> =
        groups.into_iter().map(|group| resource(org, version, base, group)).collect();
    list_answer(version, window, org.groups.of_identity_provider().count(), &resources)
}

/// One group.
pub(super) fn get(
    org: &Organization,
    version: Version,
    base: &str,
    id: &str,
) -> Result<Value, Trouble> {
    let mut groups = org.groups.of_identity_provider().map(|(_, group)| group);
    let group = groups.find(|group| group.id == id);
    let group = group.ok_or_else(|| Trouble::missing("no_such_group"))?;
    Ok(resource(org, version, base, group))
}

/// The group with a number.
pub(super) fn show(
    org: &Organization,
    version: Version,
    base: &str,
    index: GroupIndex,
) -> Result<Value, Trouble> {
    let group = org.groups.get(index).ok_or_else(|| Trouble::missing("no_such_group"))?;
    Ok(resource(org, version, base, group))
}

fn resource(org: &Organization, version: Version, base: &str, group: &Group) -> Value {
    let people = group.members.iter().filter_map(|index| org.person(*index));
    let members: Vec<Value> =
        people.map(|person| json!({"value": person.id, "display": person.full_name()})).collect();
    json!({
        "schemas": [version.urn(Schema::Group)],
        "id": group.id,
        "meta": {
            "created": rfc3339(group.created),
            "location": format!("{base}/scim/{}/Groups/{}", version.segment(), group.id),
        },
        "displayName": group.name,
        "members": members,
    })
}
