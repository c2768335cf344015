//! The problem of an exceeded quota.

use super::{Problem, ProblemKind};
use crate::domain::quota::QuotaKind;

/// Returns `quota_exceeded` for a quota of `most` stored objects.
pub(super) fn quota_exceeded(quota: QuotaKind, most: i64) -> Problem {
    let name = quota.name();
    let detail =
        format!("The environment has reached its quota of {name}: `quotas.{name}` is {most}.");
    let problem = Problem::new(ProblemKind::QuotaExceeded, detail);
    Problem { quota: Some(quota), ..problem }
}
