//! Members of a group: what a change adds and removes, and the PATCH requests for it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::attribute::{AttributePath, Resource, elements, member};
use super::patch::element_path;
use crate::domain::group::GroupInput;

/// Maximum number of members that one request adds or removes.
pub(super) const MEMBERS_PER_REQUEST: usize = 100;

/// A change of a group.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct GroupChange<'a> {
    /// The new name.
    pub(super) name: Option<&'a str>,
    /// The complete list of members.
    pub(super) exactly: Option<&'a [String]>,
    /// Members to add.
    pub(super) add: &'a [String],
    /// Members to remove.
    pub(super) remove: &'a [String],
}

/// The members that a change adds and removes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MemberChange {
    /// To add.
    pub(super) add: Vec<String>,
    /// To remove.
    pub(super) remove: Vec<String>,
    /// The ids of present members that are numbers in JSON, as the server has them.
    pub(super) numbers: BTreeMap<String, Value>,
    /// All members after the change, as far as the present ones are known.
    pub(super) after: BTreeSet<String>,
    /// Whether the server returned the present members. A group without members may have no list of them.
    pub(super) is_known: bool,
}

/// How members to remove are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RemovalForm {
    /// By a path each: `members[value eq "7"]`.
    Paths,
    /// As the value of one operation with the path `members`, at servers that know no filters in paths.
    Values,
}

impl<'a> GroupChange<'a> {
    /// Returns the change of a request.
    pub(super) fn of(input: &'a GroupInput) -> Self {
        Self {
            name: input.name.value().map(String::as_str),
            exactly: input.member_ids.value().map(Vec::as_slice),
            add: &input.add_member_ids,
            remove: &input.remove_member_ids,
        }
    }

    /// Returns the members that the change adds to a group as read, and removes from it.
    pub(super) fn members(&self, group: &Resource) -> MemberChange {
        let add: BTreeSet<String> =
            self.exactly.unwrap_or_default().iter().chain(self.add).cloned().collect();
        let remove: BTreeSet<String> = self.remove.iter().cloned().collect();
        let Some(present) = member_ids(group) else {
            let after = add.difference(&remove).cloned().collect();
            let (add, remove) = (add.into_iter().collect(), remove.into_iter().collect());
            let numbers = BTreeMap::new();
            return MemberChange { add, remove, numbers, after, is_known: false };
        };
        let after: BTreeSet<String> = match self.exactly {
            Some(_) => add,
            None => present.union(&add).filter(|id| !remove.contains(*id)).cloned().collect(),
        };
        MemberChange {
            add: after.difference(&present).cloned().collect(),
            remove: present.difference(&after).cloned().collect(),
            numbers: numbers_of(group),
            after,
            is_known: true,
        }
    }
}

impl MemberChange {
    /// Whether nothing is added or removed.
    pub(super) fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }

    /// Returns the operations that remove members, whose ids have the type that they have at the server: a comparison
    /// with a text matches no number.
    pub(super) fn removals(&self, ids: &[String], form: RemovalForm) -> Vec<Value> {
        let ids = ids.iter().map(|id| {
            let number = self.numbers.get(id).cloned();
            number.unwrap_or_else(|| Value::from(id.as_str()))
        });
        match form {
            RemovalForm::Paths => {
                let paths = ids.map(|id| element_path("members", "value", &id));
                paths.map(|path| json!({"op": "remove", "path": path})).collect()
            }
            RemovalForm::Values => {
                let members: Value = ids.map(|id| json!({ "value": id })).collect();
                vec![json!({"op": "remove", "path": "members", "value": members})]
            }
        }
    }
}

/// Returns the members of a group; `None` when the server does not return them.
pub(super) fn member_ids(group: &Resource) -> Option<BTreeSet<String>> {
    let members = AttributePath::core("members");
    let is_returned = group.keys().any(|name| name.eq_ignore_ascii_case("members"));
    let ids = elements(members.get(group)).into_iter().filter_map(member_id);
    is_returned.then(|| ids.collect())
}

/// Returns the ids of members that are numbers in JSON.
fn numbers_of(group: &Resource) -> BTreeMap<String, Value> {
    let members = elements(AttributePath::core("members").get(group)).into_iter();
    let numbers = members.filter_map(member_value).filter(|value| value.is_number());
    numbers.map(|number| (number.to_string(), number.clone())).collect()
}

/// Returns the id of a member.
fn member_id(element: &Value) -> Option<String> {
    match member_value(element)? {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Returns the value of a member, which may be the element itself.
fn member_value(element: &Value) -> Option<&Value> {
    element.as_object().map_or(Some(element), |parts| member(parts, "value"))
}

/// Returns members as the value of an attribute.
pub(super) fn members_value<'a>(ids: impl IntoIterator<Item = &'a String>) -> Value {
    ids.into_iter().map(|id| json!({ "value": id })).collect()
}

/// Returns all members after a change, those as read with all of their parts.
pub(super) fn members_after(group: &Resource, after: &BTreeSet<String>) -> Value {
    let present = elements(AttributePath::core("members").get(group));
    let of = |id: &String| {
        let is_it = |element: &&&Value| member_id(element).as_ref() == Some(id);
        let found = present.iter().find(is_it).filter(|element| element.is_object());
        found.map_or_else(|| json!({ "value": id }), |element| (**element).clone())
    };
    after.iter().map(of).collect()
}

/// Returns the operation that replaces all members.
pub(super) fn replace_operation(ids: &[String]) -> Value {
    json!({"op": "replace", "path": "members", "value": members_value(ids)})
}

/// Returns the operation that changes the name.
pub(super) fn name_operation(name: &str) -> Value {
    json!({"op": "replace", "path": "displayName", "value": name})
}

/// Returns the operation that adds members.
pub(super) fn add_operation(ids: &[String]) -> Value {
    json!({"op": "add", "path": "members", "value": members_value(ids)})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(json: Value) -> Resource {
        serde_json::from_value(json).unwrap()
    }

    fn ids(all: &[&str]) -> Vec<String> {
        all.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn adds_and_removes_only_what_differs() {
        let present =
            group(json!({"Members": [{"value": "1"}, {"Value": 2}, "3", {"value": null}]}));
        for (exactly, add, remove, expected) in [
            (None, ids(&["3", "4"]), ids(&["1", "9"]), (ids(&["4"]), ids(&["1"]))),
            (Some(ids(&["2", "5"])), ids(&[]), ids(&["1"]), (ids(&["5"]), ids(&["1", "3"]))),
            (Some(ids(&[])), ids(&[]), ids(&[]), (ids(&[]), ids(&["1", "2", "3"]))),
            (Some(ids(&["1", "2", "3"])), ids(&[]), ids(&[]), (ids(&[]), ids(&[]))),
        ] {
            let exactly = exactly.as_deref();
            let change = GroupChange { name: None, exactly, add: &add, remove: &remove };
            let MemberChange { add, remove, .. } = change.members(&present);
            assert_eq!((add, remove), expected, "{change:?}");
        }
    }

    #[test]
    fn sends_all_members_where_the_present_ones_are_unknown() {
        let (add, remove) = (ids(&["1"]), ids(&["2"]));
        let change = GroupChange { add: &add, remove: &remove, ..GroupChange::default() };
        let unknown = change.members(&group(json!({"displayName": "x"})));
        let after = BTreeSet::from(["1".to_owned()]);
        let expected = MemberChange {
            add: add.clone(),
            remove: remove.clone(),
            numbers: BTreeMap::new(),
            after,
            is_known: false,
        };
        assert_eq!(unknown, expected);
        let empty = change.members(&group(json!({"members": null})));
        let expected = MemberChange { remove: Vec::new(), is_known: true, ..expected };
        assert_eq!(empty, expected);
    }

    #[test]
    fn a_removal_names_members_by_ids_of_their_own_type() {
        let present = group(json!({"members": [{"value": 7}, {"value": "8"}]}));
        let remove = ids(&["7", "8"]);
        let change = GroupChange { remove: &remove, ..GroupChange::default() }.members(&present);
        let removals = |form| Value::from(change.removals(&change.remove, form));
        let expected = json!([{"op": "remove", "path": "members[value eq 7]"},
            {"op": "remove", "path": "members[value eq \"8\"]"}]);
        assert_eq!(removals(RemovalForm::Paths), expected);
        let expected = json!([{"op": "remove", "path": "members",
            "value": [{"value": 7}, {"value": "8"}]}]);
        assert_eq!(removals(RemovalForm::Values), expected);
    }

    #[test]
    fn a_replaced_list_keeps_the_parts_of_members() {
        let present = group(json!({"members": [{"value": "1", "display": "Ada"}, "2"]}));
        let after = BTreeSet::from(["1".to_owned(), "2".to_owned(), "3".to_owned()]);
        let expected = json!([{"value": "1", "display": "Ada"}, {"value": "2"}, {"value": "3"}]);
        assert_eq!(members_after(&present, &after), expected);
    }
}
