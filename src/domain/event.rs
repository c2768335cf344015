//! Account events for the SaaS.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::account::{AccountStatus, Organization};
use super::ids::{EventId, IntegratedAccountId};
use super::provider::Provider;

/// The type of the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub enum EventKind {
    /// An account was linked for the first time.
    #[serde(rename = "integrated_account.created")]
    Created,
    /// A new account is active.
    #[serde(rename = "integrated_account.active")]
    Active,
    /// The grant is invalid: the customer must link again.
    #[serde(rename = "integrated_account.needs_reauth")]
    NeedsReauth,
    /// The customer linked the account again.
    #[serde(rename = "integrated_account.reactivated")]
    Reactivated,
    /// The account was disconnected permanently.
    #[serde(rename = "integrated_account.disconnected")]
    Disconnected,
    /// The tokens could not be refreshed, although the grant may be valid; sent at most once per hour.
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

    /// Returns the name in the API and the database.
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

/// An unknown event type.
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

/// The account's state after the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventData {
    /// Your id of the customer.
    pub tenant_id: String,
    /// The kind of directory.
    pub provider: Provider,
    /// The organization at the provider.
    pub organization: Organization,
    /// Whether the account can be used.
    pub status: AccountStatus,
    /// Scopes that were requested and not granted.
    pub missing_scopes: Vec<String>,
    /// The reason, if there is one: a code of the provider or of the gateway.
    pub reason: Option<String>,
}

/// An event of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Event {
    /// The event's id.
    pub id: EventId,
    /// The type of the event.
    #[serde(rename = "type")]
    pub kind: EventKind,
    /// When it happened.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The account.
    pub integrated_account_id: IntegratedAccountId,
    /// The account's state after the event.
    pub data: EventData,
}
