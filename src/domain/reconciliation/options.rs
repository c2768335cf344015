//! Options of a reconciliation.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::desired::MatchBy;
use super::scope::{OwnershipMode, Scope};
use crate::domain::names::names;
use crate::domain::patch::ValidationError;
use crate::domain::sync::MaxRemoved;

/// Maximum number of protected people.
const MAX_PROTECTED: usize = 1_000;
/// Default of `max_errors`.
const MAX_ERRORS: u32 = 10;

/// What a plan must not do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReconciliationGuards {
    /// How many steps may take access from people: the larger of the number and the share of the people in the copy.
    pub max_removals: MaxRemoved,
    /// People who are never changed, by their id or e-mail address.
    #[schema(max_items = 1000, example = json!(["U0EXAMPLE", "ceo@example.com"]))]
    pub protected: Vec<String>,
}

impl Default for ReconciliationGuards {
    fn default() -> Self {
        Self { max_removals: MaxRemoved { count: 20, percent: 10 }, protected: Vec::new() }
    }
}

impl ReconciliationGuards {
    /// Returns the validation errors; `pointer` is the place of the guards in the request body.
    #[must_use]
    pub fn validate(&self, pointer: &str) -> Vec<ValidationError> {
        let mut errors = Vec::new();
        if self.max_removals.percent > 100 {
            let pointer = format!("{pointer}/max_removals/percent");
            errors.push(ValidationError::at(pointer, "must be between 0 and 100"));
        }
        if self.protected.len() > MAX_PROTECTED {
            let message = format!("must have at most {MAX_PROTECTED} entries");
            errors.push(ValidationError::at(format!("{pointer}/protected"), message));
        }
        errors
    }
}

/// When a plan is applied without a request to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    /// As soon as it is made, if it has no removals. It is applied in the name of the caller who requested the plan.
    IfNoRemovals,
    /// As soon as it is made, if it is within its guards. Only rule sets with `auto` are applied so: no request may ask
    /// for it.
    WithinGuards,
}

names! { Approval, UnknownApproval, "must be one of: if_no_removals, within_guards",
    IfNoRemovals = "if_no_removals",
    WithinGuards = "within_guards",
}

/// How a directory is reconciled with the desired state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReconciliationOptions {
    /// What the desired state is called, for people: the name of its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The field by which people are matched.
    pub match_by: MatchBy,
    /// The mode of the workspaces, roles and groups that the desired state names and `scope` does not.
    pub mode: OwnershipMode,
    /// The modes of single workspaces, roles and groups.
    pub scope: Scope,
    /// Whether people who are not in the desired state are deactivated.
    pub prune: bool,
    /// Whether rows that can't be read are left out instead of failing the plan.
    pub skip_bad_rows: bool,
    /// What the plan must not do.
    pub guards: ReconciliationGuards,
    /// After how many failed steps applying stops.
    pub max_errors: u32,
    /// When the plan is applied without a request to; `None` for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approve: Option<Approval>,
    /// The ids of the only people whom a rule set is applied to; `None` for everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_users: Option<Vec<String>>,
}

impl ReconciliationOptions {
    /// Whether people who are not in the desired state lose access. Then rows that can't be read must not be left out.
    #[must_use]
    pub fn removes_absent(&self) -> bool {
        self.prune || self.mode == OwnershipMode::Authoritative || !self.scope.is_additive()
    }
}

impl Default for ReconciliationOptions {
    fn default() -> Self {
        Self {
            name: None,
            match_by: MatchBy::default(),
            mode: OwnershipMode::default(),
            scope: Scope::default(),
            prune: false,
            skip_bad_rows: false,
            guards: ReconciliationGuards::default(),
            max_errors: MAX_ERRORS,
            approve: None,
            only_users: None,
        }
    }
}
