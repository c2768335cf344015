//! The problem of a quota that is used up.

use super::{Problem, ProblemKind};
use crate::domain::quota::Quota;

/// The problem of one row more than the environment may have.
pub(super) fn over_quota(quota: Quota, most: i64) -> Problem {
    let name = quota.name();
    let detail =
        format!("The environment has used up its quota of {name}: `quotas.{name}` permits {most}.");
    let problem = Problem::new(ProblemKind::QuotaExceeded, detail);
    Problem { quota: Some(quota), ..problem }
}
