//! The unified group: people whom the customer's identity provider keeps together.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::input::{Comparison, Field, Flaw};
use super::user::Reference;

/// A group. A field that the provider's answer didn't have is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Group {
    /// The provider's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// How many members it has.
    pub member_count: Option<u64>,
    /// Its members.
    pub members: Vec<Reference>,
    /// The workspaces it brings its members into; `null` where the provider doesn't tell.
    pub workspaces: Option<Vec<Reference>>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339::option")]
    pub created_at: Option<OffsetDateTime>,
}

/// How a group is to be. Absent fields are left as they are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[schema(example = json!({"name": "Night Shift", "add_member_ids": ["U0EXAMPLE"]}))]
#[serde(deny_unknown_fields)]
pub struct GroupWish {
    /// Its name.
    #[schema(value_type = Option<String>, example = "Engineering")]
    #[serde(default)]
    pub name: Field<String>,
    /// Exactly these members.
    #[schema(value_type = Option<Vec<String>>)]
    #[serde(default)]
    pub member_ids: Field<Vec<String>>,
    /// These members more.
    #[serde(default)]
    pub add_member_ids: Vec<String>,
    /// These members no more.
    #[serde(default)]
    pub remove_member_ids: Vec<String>,
    /// The workspaces that it is to bring its members into, beside those it does.
    #[serde(default)]
    pub add_workspace_ids: Vec<String>,
}

impl GroupWish {
    /// Whether it says anything about the group itself, beside workspaces.
    #[must_use]
    pub fn changes_group(&self) -> bool {
        !self.name.is_keep()
            || !self.member_ids.is_keep()
            || !self.add_member_ids.is_empty()
            || !self.remove_member_ids.is_empty()
    }

    /// What is wrong with it as a request for a new group.
    #[must_use]
    pub fn flaws_of_new(&self) -> Vec<Flaw> {
        let mut flaws = self.contradictions();
        if self.name.value().is_none_or(|name| name.trim().is_empty()) {
            flaws.push(Flaw::at("/name", "a group has a name"));
        }
        if !self.remove_member_ids.is_empty() {
            flaws.push(Flaw::at("/remove_member_ids", "a new group has no members to remove"));
        }
        flaws
    }

    /// What is wrong with it as a change of a group.
    #[must_use]
    pub fn flaws_of_change(&self) -> Vec<Flaw> {
        let mut flaws = self.contradictions();
        if self.name.is_clear() {
            flaws.push(Flaw::at("/name", "can't be cleared: leave it out, or send a name"));
        }
        if self.member_ids.is_clear() {
            let message = "can't be cleared: leave it out, or send an empty list";
            flaws.push(Flaw::at("/member_ids", message));
        }
        flaws
    }

    fn contradictions(&self) -> Vec<Flaw> {
        let Self { add_member_ids: add, remove_member_ids: remove, .. } = self;
        let (listed, added, removed) = ("/member_ids", "/add_member_ids", "/remove_member_ids");
        let mut flaws = Vec::new();
        if let Some(exactly) = self.member_ids.value() {
            if add.iter().any(|id| !exactly.contains(id)) {
                flaws.extend(Flaw::pair(listed, added));
            }
            if remove.iter().any(|id| exactly.contains(id)) {
                flaws.extend(Flaw::pair(listed, removed));
            }
        }
        if add.iter().any(|id| remove.contains(id)) {
            flaws.extend(Flaw::pair(added, removed));
        }
        flaws
    }

    /// The members that a new group is to have, each once.
    #[must_use]
    pub fn initial_members(&self) -> BTreeSet<&String> {
        self.member_ids.value().into_iter().flatten().chain(&self.add_member_ids).collect()
    }

    /// Compares what is requested with a group as it was read.
    #[must_use]
    pub fn compare(&self, group: &Group) -> Comparison {
        let is: BTreeSet<&String> = group.members.iter().map(|member| &member.id).collect();
        let exactly = self.member_ids.value();
        Comparison::of(
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
            let input: GroupWish = serde_json::from_value(body.clone()).unwrap();
            let flaws = input.flaws_of_change();
            let found: Vec<&str> = flaws.iter().map(|flaw| flaw.pointer.as_str()).collect();
            assert_eq!(found, pointers, "{body}");
        }
    }
}
