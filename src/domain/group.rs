//! The unified group, and the input that creates or changes one.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::patch::{Comparison, PatchField, ValidationError};
use super::user::ResourceRef;

/// A group. A field that the provider's response lacks is `null`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Group {
    /// The provider's id.
    pub id: String,
    /// The name.
    pub name: String,
    /// The description.
    pub description: Option<String>,
    /// The number of members.
    pub member_count: Option<u64>,
    /// The members.
    pub members: Vec<ResourceRef>,
    /// The workspaces that the group is linked to; `null` where the provider does not return them.
    pub workspaces: Option<Vec<ResourceRef>>,
    /// When the group was created.
    #[serde(with = "time::serde::rfc3339::option")]
    pub created_at: Option<OffsetDateTime>,
}

/// The requested state of a group. Absent fields are unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[schema(example = json!({"name": "Night Shift", "add_member_ids": ["U0EXAMPLE"]}))]
#[serde(deny_unknown_fields)]
pub struct GroupInput {
    /// The name.
    #[schema(value_type = Option<String>, example = "Engineering")]
    #[serde(default)]
    pub name: PatchField<String>,
    /// The complete list of members.
    #[schema(value_type = Option<Vec<String>>)]
    #[serde(default)]
    pub member_ids: PatchField<Vec<String>>,
    /// Members to add.
    #[serde(default)]
    pub add_member_ids: Vec<String>,
    /// Members to remove.
    #[serde(default)]
    pub remove_member_ids: Vec<String>,
    /// Workspaces to link the group to, in addition to the present ones.
    #[serde(default)]
    pub add_workspace_ids: Vec<String>,
}

impl GroupInput {
    /// Whether it changes the group itself, and not only its workspaces.
    #[must_use]
    pub fn changes_group(&self) -> bool {
        !self.name.is_absent()
            || !self.member_ids.is_absent()
            || !self.add_member_ids.is_empty()
            || !self.remove_member_ids.is_empty()
    }

    /// Returns the validation errors of a request to create a group.
    #[must_use]
    pub fn validate_create(&self) -> Vec<ValidationError> {
        let mut errors = self.contradictions();
        if self.name.value().is_none_or(|name| name.trim().is_empty()) {
            errors.push(ValidationError::at("/name", "must not be empty"));
        }
        if !self.remove_member_ids.is_empty() {
            errors.push(ValidationError::at(
                "/remove_member_ids",
                "a new group has no members to remove",
            ));
        }
        errors
    }

    /// Returns the validation errors of a request to change a group.
    #[must_use]
    pub fn validate_update(&self) -> Vec<ValidationError> {
        let mut errors = self.contradictions();
        if self.name.is_clear() {
            errors.push(ValidationError::at(
                "/name",
                "can't be cleared: leave it out, or send a name",
            ));
        }
        if self.member_ids.is_clear() {
            let message = "can't be cleared: leave it out, or send an empty list";
            errors.push(ValidationError::at("/member_ids", message));
        }
        errors
    }

    fn contradictions(&self) -> Vec<ValidationError> {
        let Self { add_member_ids: add, remove_member_ids: remove, .. } = self;
        let (listed, added, removed) = ("/member_ids", "/add_member_ids", "/remove_member_ids");
        let mut errors = Vec::new();
        if let Some(exactly) = self.member_ids.value() {
            if add.iter().any(|id| !exactly.contains(id)) {
                errors.extend(ValidationError::conflict(listed, added));
            }
            if remove.iter().any(|id| exactly.contains(id)) {
                errors.extend(ValidationError::conflict(listed, removed));
            }
        }
        if add.iter().any(|id| remove.contains(id)) {
            errors.extend(ValidationError::conflict(added, removed));
        }
        errors
    }

    /// Returns the members of a new group, without duplicates.
    #[must_use]
    pub fn initial_members(&self) -> BTreeSet<&String> {
        self.member_ids.value().into_iter().flatten().chain(&self.add_member_ids).collect()
    }

    /// Compares the requested state with a group as read.
    #[must_use]
    pub fn compare(&self, group: &Group) -> Comparison {
        let is: BTreeSet<&String> = group.members.iter().map(|member| &member.id).collect();
        let exactly = self.member_ids.value();
        Comparison::of_equality(
            self.name.value().is_none_or(|name| group.name == *name)
                && self.add_member_ids.iter().all(|id| is.contains(id))
                && !self.remove_member_ids.iter().any(|id| is.contains(id))
                && exactly.is_none_or(|ids| ids.iter().collect::<BTreeSet<_>>() == is),
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_both_sides_of_every_contradiction() {
        let (listed, added, removed) = ("/member_ids", "/add_member_ids", "/remove_member_ids");
        for (body, pointers) in [
            (json!({"member_ids": ["U1"], "add_member_ids": ["U2"]}), vec![listed, added]),
            (json!({"member_ids": ["U1"], "remove_member_ids": ["U1"]}), vec![listed, removed]),
            (json!({"add_member_ids": ["U1"], "remove_member_ids": ["U1"]}), vec![added, removed]),
            (json!({"name": null}), vec!["/name"]),
            (json!({"member_ids": null}), vec![listed]),
            (json!({"member_ids": ["U1"], "remove_member_ids": ["U2"]}), vec![]),
        ] {
            let input: GroupInput = serde_json::from_value(body.clone()).unwrap();
            let errors = input.validate_update();
            let found: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
            assert_eq!(found, pointers, "{body}");
        }
    }
}
