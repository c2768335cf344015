//! Creation, replacement, update and deletion of groups and their members.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::group;
use super::patch::{PatchOp, PatchOperation, cleared_attributes, operations};
use super::path::{PathParts, split_path};
use super::single_value::is_deletion;
use super::value::{WRONG_TYPE, field, fields, parse_text};
use super::version::{ScimError, ScimSchema, ScimVersion};
use crate::sandbox::org::{Edit, GridOrganization, GroupError, GroupIndex, PersonIndex};

/// Maximum number of members in a request.
const MAX_MEMBERS_PER_REQUEST: usize = 15_000;

/// The state of a group that a request describes.
struct GroupDraft<'a> {
    org: &'a GridOrganization,
    version: ScimVersion,
    name: String,
    members: BTreeSet<PersonIndex>,
}

/// Creates a group and returns it.
pub(super) fn create(
    edit: &mut Edit<'_>,
    version: ScimVersion,
    base: &str,
    body: &Map<String, Value>,
) -> Result<Value, ScimError> {
    let mut draft =
        GroupDraft { org: &*edit, version, name: String::new(), members: BTreeSet::new() };
    draft.write_all(body, PatchOp::Replace)?;
    let GroupDraft { name, members, .. } = draft;
    let index = edit.create_group(&name, &members).map_err(scim_error)?;
    group::show(edit, version, base, index)
}

/// Replaces a group. Omitted members are removed; an omitted name stays.
pub(super) fn replace(
    edit: &mut Edit<'_>,
    version: ScimVersion,
    base: &str,
    id: &str,
    body: &Map<String, Value>,
) -> Result<Value, ScimError> {
    update(edit, version, base, id, |draft| {
        draft.members.clear();
        draft.write_all(body, PatchOp::Replace)
    })
}

/// Updates parts of a group.
pub(super) fn change(
    edit: &mut Edit<'_>,
    version: ScimVersion,
    base: &str,
    id: &str,
    body: &Map<String, Value>,
) -> Result<Value, ScimError> {
    update(edit, version, base, id, |draft| draft.patch(body))
}

/// Deletes a group.
pub(super) fn delete(edit: &mut Edit<'_>, id: &str) -> Result<(), ScimError> {
    let index = find(edit, id)?;
    edit.delete_group(index).map_err(scim_error)
}

fn update(
    edit: &mut Edit<'_>,
    version: ScimVersion,
    base: &str,
    id: &str,
    read: impl FnOnce(&mut GroupDraft<'_>) -> Result<(), ScimError>,
) -> Result<Value, ScimError> {
    let index = find(edit, id)?;
    let group = edit.groups.get(index).ok_or_else(no_such_group)?;
    let (name, members) = (group.name.clone(), group.members.clone());
    let mut draft = GroupDraft { org: &*edit, version, name, members };
    read(&mut draft)?;
    let GroupDraft { name, members, .. } = draft;
    edit.update_group(index, &name, &members).map_err(scim_error)?;
    group::show(edit, version, base, index)
}

fn find(org: &GridOrganization, id: &str) -> Result<GroupIndex, ScimError> {
    let mut groups = org.groups.idp_groups();
    let found = groups.find(|(_, group)| group.id == id);
    found.map(|(index, _)| index).ok_or_else(no_such_group)
}

fn no_such_group() -> ScimError {
    ScimError::not_found("no_such_group")
}

impl GroupDraft<'_> {
    fn patch(&mut self, body: &Map<String, Value>) -> Result<(), ScimError> {
        let operations = match self.version {
            ScimVersion::One => None,
            ScimVersion::Two => operations(body)?,
        };
        let Some(operations) = operations else {
            if cleared_attributes(body)?.iter().any(|name| name.eq_ignore_ascii_case("members")) {
                self.members.clear();
            }
            return self.write_all(body, PatchOp::Add);
        };
        for operation in operations {
            self.apply_operation(operation)?;
        }
        Ok(())
    }

    fn apply_operation(&mut self, operation: PatchOperation<'_>) -> Result<(), ScimError> {
        let PatchOperation { op: verb, path, value } = operation;
        let Some(path) = path else {
            return self.write_all(fields(value)?, verb);
        };
        let unreadable = || ScimError::bad_request("invalid_request_payload");
        let urn = self.version.urn(ScimSchema::Group);
        let path = path.strip_prefix(urn).map_or(path, |rest| rest.trim_start_matches(':'));
        let PathParts { name, value_filter: pick, part } =
            split_path(path).ok_or_else(unreadable)?;
        match (name.to_ascii_lowercase().as_str(), pick, part) {
            ("displayname", None, None) if verb != PatchOp::Remove => self.write_name(value),
            ("members", Some(pick), None) if verb == PatchOp::Remove && pick.part == "value" => {
                if let Some((index, _)) = self.org.find(&pick.value) {
                    self.members.remove(&index);
                }
                Ok(())
            }
            ("members", None, None) => self.write_members(value, verb),
            // Slack does not store this attribute of groups.
            ("externalid", None, None) => Ok(()),
            _ => Err(unreadable()),
        }
    }

    fn write_all(&mut self, resource: &Map<String, Value>, verb: PatchOp) -> Result<(), ScimError> {
        if let Some(name) = field(resource, "displayName") {
            self.write_name(name)?;
        }
        match field(resource, "members") {
            None | Some(Value::Null) => Ok(()),
            Some(members) => self.write_members(members, verb),
        }
    }

    fn write_name(&mut self, value: &Value) -> Result<(), ScimError> {
        self.name = parse_text(value)?;
        Ok(())
    }

    fn write_members(&mut self, value: &Value, verb: PatchOp) -> Result<(), ScimError> {
        if value.is_null() && verb == PatchOp::Remove {
            self.members.clear();
            return Ok(());
        }
        let alone = std::slice::from_ref(value);
        let items = value.as_array().map_or(alone, Vec::as_slice);
        if items.len() > MAX_MEMBERS_PER_REQUEST {
            return Err(ScimError::bad_request("too_many_users"));
        }
        if verb == PatchOp::Replace {
            self.members.clear();
        }
        for item in items {
            let id = parse_text(field(fields(item)?, "value").unwrap_or(&Value::Null))?;
            let found = self.org.find(&id).filter(|(_, person)| !person.is_bot());
            let index = found.map(|(index, _)| index);
            if verb == PatchOp::Remove || is_deletion(item) {
                // Removing a non-member has no effect.
                if let Some(index) = index {
                    self.members.remove(&index);
                }
            } else {
                self.members
                    .insert(index.ok_or_else(|| ScimError::bad_request("no_such_group_members"))?);
            }
        }
        Ok(())
    }
}

fn scim_error(error: GroupError) -> ScimError {
    match error {
        GroupError::NoSuchGroup => no_such_group(),
        GroupError::NameEmpty => ScimError::bad_request(WRONG_TYPE),
        GroupError::TooMany => ScimError::bad_request("group_member_max_exceeded"),
        GroupError::MemberNotAllowed => {
            ScimError::bad_request("unable_to_add_deleted_or_guest_to_group")
        }
        GroupError::HasLinkedChannels => ScimError::bad_request("idp_group_linked_to_channels"),
    }
}
