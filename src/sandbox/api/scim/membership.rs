//! Groups that are made, replaced, changed and removed, and who comes into them and leaves.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::group;
use super::patch::{Operation, Verb, cleared, operations};
use super::path::{Pieces, pieces};
use super::single::is_deletion;
use super::value::{WRONG_TYPE, field, fields, text};
use super::version::{Schema, Trouble, Version};
use crate::sandbox::org::{Edit, GroupFlaw, GroupIndex, Organization, PersonIndex};

/// So many members may be named in one request.
const MOST_NAMED: usize = 15_000;

/// A group while a request is read.
struct Draft<'a> {
    org: &'a Organization,
    version: Version,
    name: String,
    members: BTreeSet<PersonIndex>,
}

/// Makes a group and shows it.
pub(super) fn create(
    edit: &mut Edit<'_>,
    version: Version,
    base: &str,
    body: &Map<String, Value>,
) -> Result<Value, Trouble> {
    let mut draft = Draft { org: &*edit, version, name: String::new(), members: BTreeSet::new() };
    draft.write_all(body, Verb::Replace)?;
    let Draft { name, members, .. } = draft;
    let index = edit.create_group(&name, &members).map_err(trouble)?;
    group::show(edit, version, base, index)
}

/// Writes a group anew. Members that are not named leave it; it keeps its name when none is sent.
pub(super) fn replace(
    edit: &mut Edit<'_>,
    version: Version,
    base: &str,
    id: &str,
    body: &Map<String, Value>,
) -> Result<Value, Trouble> {
    update(edit, version, base, id, |draft| {
        draft.members.clear();
        draft.write_all(body, Verb::Replace)
    })
}

/// Changes a part of a group.
pub(super) fn change(
    edit: &mut Edit<'_>,
    version: Version,
    base: &str,
    id: &str,
    body: &Map<String, Value>,
) -> Result<Value, Trouble> {
    update(edit, version, base, id, |draft| draft.patch(body))
}

/// Removes a group.
pub(super) fn delete(edit: &mut Edit<'_>, id: &str) -> Result<(), Trouble> {
    let index = find(edit, id)?;
    edit.delete_group(index).map_err(trouble)
}

fn update(
    edit: &mut Edit<'_>,
    version: Version,
    base: &str,
    id: &str,
    read: impl FnOnce(&mut Draft<'_>) -> Result<(), Trouble>,
) -> Result<Value, Trouble> {
    let index = find(edit, id)?;
    let group = edit.groups.get(index).ok_or_else(no_such_group)?;
    let (name, members) = (group.name.clone(), group.members.clone());
    let mut draft = Draft { org: &*edit, version, name, members };
    read(&mut draft)?;
    let Draft { name, members, .. } = draft;
    edit.update_group(index, &name, &members).map_err(trouble)?;
    group::show(edit, version, base, index)
}

fn find(org: &Organization, id: &str) -> Result<GroupIndex, Trouble> {
    let mut groups = org.groups.of_identity_provider();
    let found = groups.find(|(_, group)| group.id == id);
    found.map(|(index, _)| index).ok_or_else(no_such_group)
}

fn no_such_group() -> Trouble {
    Trouble::missing("no_such_group")
}

impl Draft<'_> {
    fn patch(&mut self, body: &Map<String, Value>) -> Result<(), Trouble> {
        let operations = match self.version {
            Version::One => None,
            Version::Two => operations(body)?,
        };
        let Some(operations) = operations else {
            if cleared(body)?.iter().any(|name| name.eq_ignore_ascii_case("members")) {
                self.members.clear();
            }
            return self.write_all(body, Verb::Add);
        };
        for operation in operations {
            self.perform(operation)?;
        }
        Ok(())
    }

    fn perform(&mut self, operation: Operation<'_>) -> Result<(), Trouble> {
        let Operation { verb, path, value } = operation;
        let Some(path) = path else {
            return self.write_all(fields(value)?, verb);
        };
        let unreadable = || Trouble::bad("invalid_request_payload");
        let urn = self.version.urn(Schema::Group);
        let path = path.strip_prefix(urn).map_or(path, |rest| rest.trim_start_matches(':'));
        let Pieces { name, pick, part } = pieces(path).ok_or_else(unreadable)?;
        match (name.to_ascii_lowercase().as_str(), pick, part) {
            ("displayname", None, None) if verb != Verb::Remove => self.write_name(value),
            ("members", Some(pick), None) if verb == Verb::Remove && pick.part == "value" => {
                if let Some((index, _)) = self.org.find(&pick.value) {
                    self.members.remove(&index);
                }
                Ok(())
            }
            ("members", None, None) => self.write_members(value, verb),
            // Slack keeps no such attribute of groups.
            ("externalid", None, None) => Ok(()),
            _ => Err(unreadable()),
        }
    }

    fn write_all(&mut self, resource: &Map<String, Value>, verb: Verb) -> Result<(), Trouble> {
        if let Some(name) = field(resource, "displayName") {
            self.write_name(name)?;
        }
        match field(resource, "members") {
            None | Some(Value::Null) => Ok(()),
            Some(members) => self.write_members(members, verb),
        }
    }

    fn write_name(&mut self, value: &Value) -> Result<(), Trouble> {
        self.name = text(value)?;
        Ok(())
    }

    fn write_members(&mut self, value: &Value, verb: Verb) -> Result<(), Trouble> {
        if value.is_null() && verb == Verb::Remove {
            self.members.clear();
            return Ok(());
        }
        let alone = std::slice::from_ref(value);
        let items = value.as_array().map_or(alone, Vec::as_slice);
        if items.len() > MOST_NAMED {
            return Err(Trouble::bad("too_many_users"));
        }
        if verb == Verb::Replace {
            self.members.clear();
        }
        for item in items {
            let id = text(field(fields(item)?, "value").unwrap_or(&Value::Null))?;
            let found = self.org.find(&id).filter(|(_, person)| !person.is_bot());
            let index = found.map(|(index, _)| index);
            if verb == Verb::Remove || is_deletion(item) {
                // Whoever is not there is not there.
                if let Some(index) = index {
                    self.members.remove(&index);
                }
            } else {
                self.members.insert(index.ok_or_else(|| Trouble::bad("no_such_group_members"))?);
            }
        }
        Ok(())
    }
}

fn trouble(flaw: GroupFlaw) -> Trouble {
    match flaw {
        GroupFlaw::NoSuchGroup => no_such_group(),
        GroupFlaw::NameEmpty => Trouble::bad(WRONG_TYPE),
        GroupFlaw::TooMany => Trouble::bad("group_member_max_exceeded"),
        GroupFlaw::NotAdmitted => Trouble::bad("unable_to_add_deleted_or_guest_to_group"),
        GroupFlaw::Linked => Trouble::bad("idp_group_linked_to_channels"),
    }
}
