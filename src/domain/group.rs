//! The unified group: people whom the customer's identity provider keeps together.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

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
    #[schema(example = "Engineering")]
    pub name: Option<String>,
    /// Exactly these members.
    pub member_ids: Option<Vec<String>>,
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
        self.name.is_some()
            || self.member_ids.is_some()
            || !self.add_member_ids.is_empty()
            || !self.remove_member_ids.is_empty()
    }

    /// Whether a group is as wished.
    #[must_use]
    pub fn is_met_by(&self, group: &Group) -> bool {
        let has = |id: &String| group.members.iter().any(|member| member.id == *id);
        self.name.as_ref().is_none_or(|name| group.name == *name)
            && self.add_member_ids.iter().all(has)
            && !self.remove_member_ids.iter().any(has)
            && self
                .member_ids
                .as_ref()
                .is_none_or(|ids| ids.len() == group.members.len() && ids.iter().all(has))
    }
}
