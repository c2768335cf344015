//! Rule sets: which workspaces, roles, groups and kind of membership people get by their attributes.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::desired::{DesiredRole, DesiredWorkspace};
use super::options::ReconciliationGuards;
use super::scope::OwnershipMode;
use crate::domain::ids::{IntegratedAccountId, RuleSetId};
use crate::domain::policy::Condition;
use crate::domain::user::UserType;

/// What the people get for whom a rule's condition is true.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RuleTargets {
    /// Workspaces, by their id or name.
    pub workspaces: Vec<DesiredWorkspace>,
    /// Roles.
    pub roles: Vec<DesiredRole>,
    /// Groups, by their id or name.
    pub groups: Vec<String>,
    /// The kind of membership.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_type: Option<UserType>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = RuleSetRule)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The name, for reasons.
    #[schema(max_length = 200, example = "Sales")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The condition on the attributes of a person.
    pub when: Condition,
    /// What the person gets.
    pub then: RuleTargets,
}

impl RuleTargets {
    /// Whether it gives nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { workspaces, roles, groups, user_type } = self;
        workspaces.is_empty() && roles.is_empty() && groups.is_empty() && user_type.is_none()
    }
}

impl Rule {
    /// Returns the name, or the number in the rule set for a rule without one.
    #[must_use]
    pub fn display_name(&self, index: usize) -> String {
        self.name.clone().unwrap_or_else(|| format!("rule {}", index + 1))
    }
}

/// Rules that map attributes of people to access.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleSet {
    /// The id.
    pub id: RuleSetId,
    /// The account.
    pub integrated_account_id: IntegratedAccountId,
    /// The name.
    pub name: String,
    /// The rules; a person gets what all rules together give.
    pub rules: Vec<Rule>,
    /// Whether people who no rule gives a workspace, role or group are removed from those that the rules name.
    pub mode: OwnershipMode,
    /// What must not be done.
    pub guards: ReconciliationGuards,
    /// Whether it is applied to a person when an event creates or changes that person.
    pub auto: bool,
    /// When it was created.
    pub created_at: OffsetDateTime,
    /// When it was last changed.
    pub updated_at: OffsetDateTime,
}
