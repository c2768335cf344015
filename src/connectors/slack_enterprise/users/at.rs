//! Where a page of users begins: a connector's part of a cursor.

use serde::{Deserialize, Serialize};

use super::passes::PassAt;
use crate::connectors::Position;
use crate::connectors::position::encode;
use crate::connectors::slack_enterprise::walk::Walk;

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
