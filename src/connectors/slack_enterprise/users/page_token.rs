//! Page tokens of the list of users.

use serde::{Deserialize, Serialize};

use super::plan::ActivityFilter;
use crate::connectors::page_token::encode;
use crate::connectors::slack_enterprise::workspace_scan::WorkspaceScan;
use crate::connectors::{PageToken, Unified};
use crate::domain::page::Page;
use crate::domain::user::User;

/// A page of users.
pub(super) type UserPage = Page<Unified<User>, PageToken>;

/// The start of a page.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "in")]
pub(super) enum ScanPosition {
    /// In a scan of `admin.users.list`.
    #[serde(rename = "pass")]
    Organization(OrgScanPosition),
    /// In a workspace.
    #[serde(rename = "walk")]
    Workspaces(WorkspaceScan),
    /// Among the users without a workspace.
    #[serde(rename = "outside")]
    NoWorkspace(OrgScanPosition),
}

impl ScanPosition {
    /// Serializes the page token.
    pub(super) fn encode(&self) -> PageToken {
        encode(self)
    }
}

/// The start of a page in the scans of `admin.users.list`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OrgScanPosition {
    /// Whether it is in the scan of deactivated users.
    #[serde(rename = "i")]
    pub(super) inactive: bool,
    /// Slack's cursor; empty at the start of a scan.
    #[serde(rename = "c")]
    pub(super) cursor: String,
}

impl OrgScanPosition {
    /// Returns the first page.
    pub(super) fn start(standing: ActivityFilter) -> Self {
        Self { inactive: standing == ActivityFilter::Inactive, cursor: String::new() }
    }

    /// Returns the page after one that ended with this cursor; `None` at the end.
    pub(super) fn after(self, cursor: String, standing: ActivityFilter) -> Option<Self> {
        match (cursor.is_empty(), self.inactive || standing == ActivityFilter::Active) {
            (false, _) => Some(Self { cursor, ..self }),
            (true, false) => Some(Self { inactive: true, cursor }),
            (true, true) => None,
        }
    }
}
