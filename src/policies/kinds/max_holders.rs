//! `max_holders`: an upper limit of the number of people who hold certain roles.

use serde::Deserialize;
use utoipa::ToSchema;

use super::holders::{HolderCount, HolderLimit};

pub(super) const DESCRIPTION: &str = "At most `count` people who can sign in hold the roles.";
pub(super) const EXAMPLE: &str = r#"{"role_ids": ["org:owner", "org:primary_owner"], "count": 5}"#;

/// Parameters of `max_holders`.
pub(super) type Parameters = HolderLimit<Maximum>;

/// The maximum number of people who hold one of the roles.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(minimum = 0, maximum = 1_000_000)]
pub(super) struct Maximum(u32);

impl HolderCount for Maximum {
    const LEAST: u32 = 0;
    const NO_FIX: &'static str =
        "Who loses the role is your decision: remove it with DELETE /role-assignments/{id}.";

    fn count(&self) -> u32 {
        self.0
    }

    fn violated_by(&self, holders: usize) -> Option<String> {
        let limit = usize::try_from(self.0).unwrap_or(usize::MAX);
        (holders > limit).then(|| format!("at most {limit} may"))
    }
}
