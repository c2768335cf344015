//! What a piece of planned work costs: the provider calls and the rate limits that they count against.

use crate::domain::reconciliation::PlanOperation;
use crate::upstream::ProviderBucket;

/// A piece of planned work.
#[derive(Debug, Clone, Copy)]
pub enum PlannedWork<'a> {
    /// An operation of a plan, with what it reads itself.
    Operation(&'a PlanOperation),
    /// A read of a user's profile, where it is read apart.
    ReadProfile,
    /// A read of a user without the profile, where that is read apart, and without roles.
    ReadUser,
    /// A read of the roles of a user who is a member of this number of workspaces.
    ReadRoles(u32),
    /// A read of a group.
    ReadGroup,
}

/// Calls that take permits from the same buckets.
#[derive(Debug, Clone)]
pub struct PlannedCall {
    /// The buckets.
    pub buckets: Vec<ProviderBucket>,
    /// The number of calls.
    pub count: u32,
}
