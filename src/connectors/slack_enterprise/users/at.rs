//! Where a page of users begins: a connector's part of a cursor.

use serde::{Deserialize, Serialize};

use super::plan::Standing;
use crate::connectors::position::encode;
use crate::connectors::slack_enterprise::walk::Walk;
use crate::connectors::{Position, Record};
use crate::domain::page::Page;
use crate::domain::user::User;

/// A page of users.
pub(super) type Users = Page<Record<User>, Position>;

/// Where a page begins.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "in", rename_all = "snake_case")]
pub(super) enum At {
    /// In a pass of `admin.users.list`.
    Pass(PassAt),
    /// In a workspace.
    Walk(Walk),
    /// Among those who are in no workspace.
    Outside(PassAt),
}

impl At {
    /// As a position.
    pub(super) fn encode(&self) -> Position {
        encode(self)
    }
}

/// Where a page of the passes begins.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PassAt {
    /// In the pass of the deactivated.
    #[serde(rename = "i")]
    pub(super) inactive: bool,
    /// Slack's cursor; empty at a pass's start.
    #[serde(rename = "c")]
    pub(super) cursor: String,
}

impl PassAt {
    /// Before the first page.
    pub(super) fn start(standing: Standing) -> Self {
        Self { inactive: standing == Standing::Inactive, cursor: String::new() }
    }

    /// Behind a page that ended with this cursor; none at the end.
    pub(super) fn after(self, cursor: String, standing: Standing) -> Option<Self> {
        match (cursor.is_empty(), self.inactive || standing == Standing::Active) {
            (false, _) => Some(Self { cursor, ..self }),
            (true, false) => Some(Self { inactive: true, cursor }),
            (true, true) => None,
        }
    }
}
