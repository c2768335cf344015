//! Events: what happened to an account, told to the SaaS.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::account::{AccountStatus, Organization};
use super::ids::{EventId, IntegratedAccountId};
use super::provider::Provider;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub enum EventKind {
    /// An account was linked for the first time.
    #[serde(rename = "integrated_account.created")]
    Created,
    /// A new account can be used.
    #[serde(rename = "integrated_account.active")]
    Active,
    /// Its grant is lost: the customer must link again.
    #[serde(rename = "integrated_account.needs_reauth")]
    NeedsReauth,
    /// The customer linked it again.
    #[serde(rename = "integrated_account.reactivated")]
    Reactivated,
    /// It was disconnected for good.
    #[serde(rename = "integrated_account.disconnected")]
    Disconnected,
    /// Its tokens could not be renewed, though the grant may live; told once in an hour.
    #[serde(rename = "integrated_account.refresh_failed")]
    RefreshFailed,
}

impl EventKind {
    const ALL: [Self; 6] = [
        Self::Created,
        Self::Active,
        Self::NeedsReauth,
        Self::Reactivated,
        Self::Disconnected,
        Self::RefreshFailed,
    ];

    /// The name in the API and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "integrated_account.created",
            Self::Active => "integrated_account.active",
            Self::NeedsReauth => "integrated_account.needs_reauth",
            Self::Reactivated => "integrated_account.reactivated",
            Self::Disconnected => "integrated_account.disconnected",
            Self::RefreshFailed => "integrated_account.refresh_failed",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no type of event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the types are integrated_account. with created, active, needs_reauth, reactivated, disconnected \
     or refresh_failed"
)]
pub struct UnknownEventKind;

impl FromStr for EventKind {
    type Err = UnknownEventKind;

    fn from_str(name: &str) -> Result<Self, UnknownEventKind> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or(UnknownEventKind)
    }
}

/// The account as it stood after what happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventData {
    /// The SaaS's own name for its customer.
    pub tenant_id: String,
    /// The kind of directory.
    pub provider: Provider,
    /// The organization at the provider.
    pub organization: Organization,
    /// Whether the account can be used.
    pub status: AccountStatus,
    /// What was asked for and not granted.
    pub missing_scopes: Vec<String>,
    /// Why, where there is a reason: the provider's code, or ours.
    pub reason: Option<String>,
}

/// Something that happened to an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: EventKind,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// To which account.
    pub integrated_account_id: IntegratedAccountId,
    /// The account as it stood then.
    pub data: EventData,
}
