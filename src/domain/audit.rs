//! Entries of the audit log: who did what to which account, and the outcome.

use std::str::FromStr;

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::ids::{AuditId, IntegratedAccountId};

/// The outcome of an audited action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditOutcome {
    /// The request is about to be sent: without a later entry its outcome is unknown.
    Started,
    /// The action succeeded.
    Done,
    /// The action was rejected or failed; a call to a provider got no response.
    Failed,
    /// A call to a provider got a response; `status` is its HTTP status.
    Answered,
    /// A call to a provider was abandoned before its response came.
    Abandoned,
}

impl AuditOutcome {
    const ALL: [Self; 5] =
        [Self::Started, Self::Done, Self::Failed, Self::Answered, Self::Abandoned];

    /// Returns the name in the API and the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Answered => "answered",
            Self::Abandoned => "abandoned",
        }
    }
}

/// The kind of an audit entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditKind {
    /// A change. The entry was written before the change, or in the same transaction.
    Change,
    /// A use: a call to a provider with the account's token, a rejected request, or a read of this log. The entry is
    /// written within a second, or within a minute where several are counted in one.
    Use,
}

impl AuditKind {
    /// Returns the name in the API and the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Use => "use",
        }
    }
}

/// An entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AuditRow {
    /// The entry's id.
    pub id: AuditId,
    /// When it was recorded: for calls, at their end.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Whether it is a change, or a use of a credential.
    pub kind: AuditKind,
    /// The actor: the id of an API key or account token, or a part of the program: `cli`, `link`, `provider`,
    /// `refresh`.
    #[schema(example = "key_01J8ZQ5V9Y3M7T2K4N6P8R0S1T")]
    pub actor: String,
    /// The action: `user.deactivated`, `api_key.created`, …; `proxy.called` is a call through the proxy,
    /// `directory.called` a call of the unified API, `request.refused` a request that the gateway rejected,
    /// `link.failed` a failed link, `audit_log.read` a read of this log, `access_review.exported` an access review.
    #[schema(example = "proxy.called")]
    pub action: String,
    /// The integrated account.
    #[schema(required = true)]
    pub integrated_account_id: Option<IntegratedAccountId>,
    /// The id of the object that was changed or used.
    #[schema(required = true)]
    pub subject: Option<String>,
    /// The provider's name of the called method.
    #[schema(required = true, example = "admin.users.list")]
    pub provider_method: Option<String>,
    /// The HTTP status of the provider's response; for a rejected request, of the gateway's response.
    #[schema(required = true)]
    pub status: Option<u16>,
    /// The duration of the call in milliseconds, including rate limit waits; of several calls the longest.
    #[schema(required = true)]
    pub duration_ms: Option<u32>,
    /// The number of calls: more than one when a key repeated the same call within a second, or was rejected or read
    /// this log or access reviews repeatedly within a minute.
    pub calls: u32,
    /// The request's id; `null` for several calls.
    #[schema(required = true)]
    pub request_id: Option<String>,
    /// The outcome.
    pub outcome: AuditOutcome,
    /// Why it was rejected or failed: the problem type, or the code of a failed link.
    #[schema(required = true, example = "insufficient_scope")]
    pub reason: Option<String>,
}

/// An unknown name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be one of: {known}")]
pub struct UnknownName {
    known: &'static str,
}

impl FromStr for AuditOutcome {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let known = "started, done, failed, answered, abandoned";
        Self::ALL.into_iter().find(|one| one.name() == name).ok_or(UnknownName { known })
    }
}

impl FromStr for AuditKind {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let known = "change, use";
        let found = [Self::Change, Self::Use].into_iter().find(|one| one.name() == name);
        found.ok_or(UnknownName { known })
    }
}
