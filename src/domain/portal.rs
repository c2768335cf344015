//! The hosted directory view: its pages, and what its visitors may do.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::names::names;

/// A page of the hosted directory view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PortalView {
    /// People, with their access and history.
    Directory,
    /// Violations of policies.
    Drift,
    /// Who may do what where.
    AccessReview,
    /// Runs of the sync.
    Sync,
    /// Plans that bring the directory to a desired state.
    Reconciliation,
}

names! { PortalView, UnknownPortalView, "unknown page of the hosted directory view",
    Directory = "directory",
    Drift = "drift",
    AccessReview = "access_review",
    Sync = "sync",
    Reconciliation = "reconciliation",
}

/// What a visitor may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PortalPermission {
    /// Look at the pages.
    Read,
    /// Acknowledge violations.
    Acknowledge,
    /// Fix violations; request runs of the sync and decide on held ones; approve, stop and undo plans.
    Apply,
}

names! { PortalPermission, UnknownPortalPermission, "unknown permission of the hosted directory view",
    Read = "read",
    Acknowledge = "acknowledge",
    Apply = "apply",
}
