//! Entries of the audit log, and the log with its filters.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Serialize;

use crate::sandbox::apps::SlackApp;
use crate::sandbox::grants::{SlackTokenType, TokenIdentity};

/// User id of entries without an actor.
pub(crate) const SYSTEM_USER_ID: &str = "USLACKUSER";
/// Maximum number of stored entries; the oldest are dropped first.
const MAX_ENTRIES: usize = 100_000;

/// An account at the time of the entry.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct AuditUser {
    /// `U…` or `W…`.
    pub(crate) id: String,
    /// Full name.
    pub(crate) name: String,
    /// Primary e-mail address.
    pub(crate) email: String,
    /// Workspace or organization of the account.
    pub(crate) team: String,
    /// Level there.
    pub(crate) account_type: &'static str,
}

/// A workspace or the organization at the time of the entry.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct AuditTeam {
    /// `T…` or `E…`.
    pub(crate) id: String,
    /// Display name.
    pub(crate) name: String,
    /// First label of its host name.
    pub(crate) domain: String,
}

/// A group at the time of the entry.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct AuditGroup {
    /// `S…`.
    pub(crate) id: String,
    /// Display name.
    pub(crate) name: String,
}

/// A role at the time of the entry.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct AuditRole {
    /// `Rl…`.
    pub(crate) id: String,
    /// Display name.
    pub(crate) name: String,
    /// Type; `system` for Slack's own roles.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
}

/// An app at the time of the entry.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct AuditApp {
    /// `A…`.
    pub(crate) id: String,
    /// Display name.
    pub(crate) name: String,
    is_distributed: bool,
    is_directory_approved: bool,
    is_workflow_app: bool,
    /// Scopes of the user token.
    pub(crate) scopes: Vec<String>,
    /// Scopes of the bot token.
    pub(crate) bot_scopes: Vec<String>,
}

impl AuditApp {
    /// Returns an app with its granted scopes.
    pub(crate) fn new(app: &SlackApp, scopes: Vec<String>, bot_scopes: Vec<String>) -> Self {
        Self {
            id: app.app_id.clone(),
            name: app.name.clone(),
            is_distributed: false,
            is_directory_approved: false,
            is_workflow_app: false,
            scopes,
            bot_scopes,
        }
    }

    /// Returns the app of a token, with the token's scopes.
    pub(crate) fn of(app: &SlackApp, caller: &TokenIdentity) -> Self {
        let held = caller.scopes.clone();
        match caller.kind {
            SlackTokenType::User => Self::new(app, held, Vec::new()),
            SlackTokenType::Bot => Self::new(app, Vec::new(), held),
        }
    }
}

/// The object of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AuditEntity {
    /// An account.
    User(Arc<AuditUser>),
    /// A workspace.
    Workspace(Arc<AuditTeam>),
    /// The organization.
    Enterprise(Arc<AuditTeam>),
    /// A group.
    Usergroup(Arc<AuditGroup>),
    /// A system role.
    Role(Arc<AuditRole>),
    /// An app.
    App(Arc<AuditApp>),
}

impl AuditEntity {
    /// Returns the display name.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::User(user) => &user.name,
            Self::Workspace(team) | Self::Enterprise(team) => &team.name,
            Self::Usergroup(group) => &group.name,
            Self::Role(role) => &role.name,
            Self::App(app) => &app.name,
        }
    }

    /// Returns the id, which the `entity` filter compares.
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::User(user) => &user.id,
            Self::Workspace(team) | Self::Enterprise(team) => &team.id,
            Self::Usergroup(group) => &group.id,
            Self::Role(role) => &role.id,
            Self::App(app) => &app.id,
        }
    }
}

/// Where an action took place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AuditLocation {
    /// A workspace.
    Workspace(Arc<AuditTeam>),
    /// The organization.
    Enterprise(Arc<AuditTeam>),
}

impl AuditLocation {
    /// Returns the display name.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Workspace(team) | Self::Enterprise(team) => &team.name,
        }
    }
}

/// An audit log entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuditLogEntry {
    /// Unix seconds.
    pub(crate) at: i64,
    /// Name of the action.
    pub(crate) action: &'static str,
    /// Who acted; `None` for the provider.
    pub(crate) actor: Option<Arc<AuditUser>>,
    /// Object of the action.
    pub(crate) entity: AuditEntity,
    /// Workspace or organization.
    pub(crate) location: AuditLocation,
    /// App that made the change, if any.
    pub(crate) app: Option<Arc<AuditApp>>,
    /// Additional details by name.
    pub(crate) details: Vec<(&'static str, AuditDetail)>,
}

/// Value of a detail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum AuditDetail {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
}

/// Filters of an audit log query.
#[derive(Debug, Clone, Default)]
pub(crate) struct AuditLogQuery {
    /// Earliest time in Unix seconds.
    pub(crate) oldest: Option<i64>,
    /// Latest time in Unix seconds.
    pub(crate) latest: Option<i64>,
    /// Any of these actions; all if empty.
    pub(crate) actions: Vec<String>,
    /// Id of the actor.
    pub(crate) actor: Option<String>,
    /// Id of the object.
    pub(crate) entity: Option<String>,
}

impl AuditLogQuery {
    fn matches(&self, entry: &AuditLogEntry) -> bool {
        let actor = entry.actor.as_ref().map_or(SYSTEM_USER_ID, |user| user.id.as_str());
        self.oldest.is_none_or(|oldest| entry.at >= oldest)
            && self.latest.is_none_or(|latest| entry.at <= latest)
            && (self.actions.is_empty() || self.actions.iter().any(|one| one == entry.action))
            && self.actor.as_deref().is_none_or(|expected| actor == expected)
            && self.entity.as_deref().is_none_or(|expected| entry.entity.id() == expected)
    }
}

/// The newest entries with their numbers.
#[derive(Debug, Default)]
pub(crate) struct AuditLog {
    entries: VecDeque<(u64, Arc<AuditLogEntry>)>,
    last: u64,
}

/// Entries with their numbers, newest first, and the number that starts the next page.
pub(crate) type AuditLogPage = (Vec<(u64, Arc<AuditLogEntry>)>, Option<u64>);

impl AuditLog {
    /// Adds an entry.
    pub(crate) fn record(&mut self, entry: AuditLogEntry) {
        self.last += 1;
        if self.entries.len() == MAX_ENTRIES {
            self.entries.pop_front();
        }
        self.entries.push_back((self.last, Arc::new(entry)));
    }

    /// Returns one page, starting at the entry with the number `start` or at the newest.
    pub(crate) fn page(
        &self,
        query: &AuditLogQuery,
        start: Option<u64>,
        limit: usize,
    ) -> AuditLogPage {
        let mut found = Vec::new();
        let from = |number: u64| start.is_none_or(|start| number <= start);
        let fitting =
            |(number, entry): &&(u64, Arc<AuditLogEntry>)| from(*number) && query.matches(entry);
        for (number, entry) in self.entries.iter().rev().filter(fitting) {
            if found.len() == limit {
                return (found, Some(*number));
            }
            found.push((*number, Arc::clone(entry)));
        }
        (found, None)
    }

    /// Removes all entries. Their numbers are not reused.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}
