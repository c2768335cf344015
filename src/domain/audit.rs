//! The audit log as it is told: who did what to which account, and how it ended.

use std::str::FromStr;

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::ids::{AuditId, IntegratedAccountId};

/// How the thing that was done ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is about to be sent: without a later row nobody knows whether it was done.
    Started,
    /// It was done.
    Done,
    /// It was refused or failed; a call to a provider got no answer.
    Failed,
    /// A call to a provider got an answer; its status tells which.
    Answered,
    /// A call to a provider was given up before its answer came.
    Abandoned,
}

impl Outcome {
    const ALL: [Self; 5] =
        [Self::Started, Self::Done, Self::Failed, Self::Answered, Self::Abandoned];

    /// Its name.
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

/// What a row tells about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditKind {
    /// Something that changes something. The row was there before it was done, or came with it.
    Change,
    /// A call to a provider with the account's token, a request that was refused, or a read of this log. The row came within a second after it, or within a minute where many are counted.
    Use,
}

impl AuditKind {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Use => "use",
        }
    }
}

/// A row of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AuditRow {
    /// Its id.
    pub id: AuditId,
    /// When it was written down: at the end of what took a while.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Whether something was changed, or a credential was used.
    pub kind: AuditKind,
    /// Who did it: the id of an API key or of an account token, or a part of the program: `cli`, `link`, `provider`, `refresh`.
    #[schema(example = "key_01J8ZQ5V9Y3M7T2K4N6P8R0S1T")]
    pub actor: String,
    /// What was done: `user.deactivated`, `api_key.created`, …; `proxy.called` is a raw call, `directory.called` a call that the unified API made, `request.refused` a request that was refused here, `link.failed` a link that failed, `audit_log.read` a read of this log.
    #[schema(example = "proxy.called")]
    pub action: String,
    /// To which account.
    #[schema(required = true)]
    pub integrated_account_id: Option<IntegratedAccountId>,
    /// To what else, by id.
    #[schema(required = true)]
    pub subject: Option<String>,
    /// The provider's name of the method that was called.
    #[schema(required = true, example = "admin.users.list")]
    pub provider_method: Option<String>,
    /// The HTTP status of the provider's answer; of a refused request, that of ours.
    #[schema(required = true)]
    pub status: Option<u16>,
    /// How long the call took, waiting for its turn included; of several calls the longest.
    #[schema(required = true)]
    pub duration_ms: Option<u32>,
    /// How many calls it tells of: more than one when a key called the same method often within a second, or was refused, or read this log, often within a minute.
    pub calls: u32,
    /// In which request; `null` for several calls.
    #[schema(required = true)]
    pub request_id: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it was refused or failed: the type of the problem, or the code of a failed link.
    #[schema(required = true, example = "insufficient_scope")]
    pub reason: Option<String>,
}

/// A name that is none of the known ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be one of: {known}")]
pub struct UnknownName {
    known: &'static str,
}

impl FromStr for Outcome {
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
