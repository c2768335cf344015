//! `min_holders`: a lower limit of the number of people who hold certain roles.

use serde::Deserialize;
use utoipa::ToSchema;

use super::holders::{HolderCount, HolderLimit};

pub(super) const DESCRIPTION: &str = "At least `count` people who can sign in hold the roles.";
pub(super) const EXAMPLE: &str = r#"{"role_ids": ["org:owner", "org:primary_owner"], "count": 2}"#;

/// Parameters of `min_holders`.
pub(super) type Parameters = HolderLimit<Minimum>;

/// The minimum number of people who hold one of the roles.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(minimum = 1, maximum = 1_000_000)]
pub(super) struct Minimum(u32);

impl HolderCount for Minimum {
    const LEAST: u32 = 1;
    const NO_FIX: &'static str =
        "Who gets the role is your decision: assign it with POST /role-assignments.";

    fn count(&self) -> u32 {
        self.0
    }

    fn violated_by(&self, holders: usize) -> Option<String> {
        let limit = usize::try_from(self.0).unwrap_or(usize::MAX);
        (holders < limit).then(|| format!("at least {limit} must"))
    }
}
