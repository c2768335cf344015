//! Groups of the identity provider as SCIM resources.

use serde_json::{Value, json};

use super::pagination::{ListWindow, list_response};
use super::user::rfc3339;
use super::version::{ScimError, ScimSchema, ScimVersion};
use crate::sandbox::org::{GridOrganization, GroupIndex, OrgGroup};

/// Returns a page of groups.
pub(super) fn list(
    org: &GridOrganization,
    version: ScimVersion,
    base: &str,
    window: ListWindow,
) -> Value {
    let groups = window.slice(org.groups.idp_groups().map(|(_, group)| group));
    let resources: Vec<Value> =
        groups.into_iter().map(|group| resource(org, version, base, group)).collect();
    list_response(version, window, org.groups.idp_groups().count(), &resources)
}

/// Returns the group with this id.
pub(super) fn get(
    org: &GridOrganization,
    version: ScimVersion,
    base: &str,
    id: &str,
) -> Result<Value, ScimError> {
    let mut groups = org.groups.idp_groups().map(|(_, group)| group);
    let group = groups.find(|group| group.id == id);
    let group = group.ok_or_else(|| ScimError::not_found("no_such_group"))?;
    Ok(resource(org, version, base, group))
}

/// Returns the group with this number.
pub(super) fn show(
    org: &GridOrganization,
    version: ScimVersion,
    base: &str,
    index: GroupIndex,
) -> Result<Value, ScimError> {
    let group = org.groups.get(index).ok_or_else(|| ScimError::not_found("no_such_group"))?;
    Ok(resource(org, version, base, group))
}

fn resource(org: &GridOrganization, version: ScimVersion, base: &str, group: &OrgGroup) -> Value {
    let people = group.members.iter().filter_map(|index| org.person(*index));
    let members: Vec<Value> =
        people.map(|person| json!({"value": person.id, "display": person.full_name()})).collect();
    json!({
        "schemas": [version.urn(ScimSchema::Group)],
        "id": group.id,
        "meta": {
            "created": rfc3339(group.created),
            "location": format!("{base}/scim/{}/Groups/{}", version.segment(), group.id),
        },
        "displayName": group.name,
        "members": members,
    })
}
