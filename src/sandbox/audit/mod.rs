//! The audit log: who did what to whom, and where. An entry is written at the moment of a change,
//! with the names as they were then.
//!
//! <https://docs.slack.dev/reference/audit-logs-api/methods-actions-reference>

mod actions;
mod entries;

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Serialize;

pub(crate) use actions::{ACTIONS, is_action};
pub(crate) use entries::entries;

use super::grants::{Grant, Identity, TokenKind};
use super::{App, Sandbox};

/// Who acts when nobody does.
pub(crate) const NOBODY: &str = "USLACKUSER";
/// So many of the newest entries are kept.
const KEPT: usize = 100_000;

/// An account as it was.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Face {
    /// `U…` or `W…`.
    pub(crate) id: String,
    /// The full name.
    pub(crate) name: String,
    /// The primary address.
    pub(crate) email: String,
    /// The workspace or organization where the account is at home.
    pub(crate) team: String,
    /// The rank there.
    pub(crate) account_type: &'static str,
}

/// A workspace or the organization as it was.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Site {
    /// `T…` or `E…`.
    pub(crate) id: String,
    /// The name people read.
    pub(crate) name: String,
    /// The first part of its host name.
    pub(crate) domain: String,
}

/// A group or a role as it was.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Named {
    /// `S…` or `Rl…`.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
}

/// A role as it was.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RoleFace {
    /// `Rl…`.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// Slack's own roles are of the type `system`.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
}

/// An app as it was.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct AppFace {
    /// `A…`.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    is_distributed: bool,
    is_directory_approved: bool,
    is_workflow_app: bool,
    /// Scopes of the user's token.
    pub(crate) scopes: Vec<String>,
    /// Scopes of the bot's token.
    pub(crate) bot_scopes: Vec<String>,
}

impl AppFace {
    /// An app with the scopes it was granted.
    pub(crate) fn new(app: &App, scopes: Vec<String>, bot_scopes: Vec<String>) -> Self {
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

    /// The app of a token.
    pub(crate) fn of(app: &App, caller: &Identity) -> Self {
        let held = caller.scopes.clone();
        match caller.kind {
            TokenKind::User => Self::new(app, held, Vec::new()),
            TokenKind::Bot => Self::new(app, Vec::new(), held),
        }
    }
}

/// What was acted upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entity {
    /// An account.
    User(Arc<Face>),
    /// A workspace.
    Workspace(Arc<Site>),
    /// A group.
    Usergroup(Arc<Named>),
    /// A system role.
    Role(Arc<RoleFace>),
    /// An app.
    App(Arc<AppFace>),
}

impl Entity {
    /// What people call it.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::User(face) => &face.name,
            Self::Workspace(site) => &site.name,
            Self::Usergroup(named) => &named.name,
            Self::Role(role) => &role.name,
            Self::App(app) => &app.name,
        }
    }

    /// The id by which entries are looked for.
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::User(face) => &face.id,
            Self::Workspace(site) => &site.id,
            Self::Usergroup(named) => &named.id,
            Self::Role(role) => &role.id,
            Self::App(app) => &app.id,
        }
    }
}

/// Where something was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a workspace.
    Workspace(Arc<Site>),
    /// In the organization.
    Enterprise(Arc<Site>),
}

impl Place {
    /// What people call it.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Workspace(site) | Self::Enterprise(site) => &site.name,
        }
    }
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Unix seconds.
    pub(crate) at: i64,
    /// What was done.
    pub(crate) action: &'static str,
    /// Who did it, unless it was the provider.
    pub(crate) actor: Option<Arc<Face>>,
    /// To whom or what.
    pub(crate) entity: Entity,
    /// Where.
    pub(crate) place: Place,
    /// The app through which it was done.
    pub(crate) app: Option<Arc<AppFace>>,
    /// What else there is to know.
    pub(crate) details: Vec<(&'static str, Detail)>,
}

/// A value of the details.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Detail {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
}

/// Which entries are looked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// Not before, in Unix seconds.
    pub(crate) oldest: Option<i64>,
    /// Not after, in Unix seconds.
    pub(crate) latest: Option<i64>,
    /// One of these actions; any when there are none.
    pub(crate) actions: Vec<String>,
    /// By whom.
    pub(crate) actor: Option<String>,
    /// To whom or what.
    pub(crate) entity: Option<String>,
}

impl Wanted {
    fn fits(&self, entry: &Entry) -> bool {
        let actor = entry.actor.as_ref().map_or(NOBODY, |face| face.id.as_str());
        self.oldest.is_none_or(|oldest| entry.at >= oldest)
            && self.latest.is_none_or(|latest| entry.at <= latest)
            && (self.actions.is_empty() || self.actions.iter().any(|one| one == entry.action))
            && self.actor.as_deref().is_none_or(|wanted| actor == wanted)
            && self.entity.as_deref().is_none_or(|wanted| entry.entity.id() == wanted)
    }
}

/// The newest entries, each with its number.
#[derive(Debug, Default)]
pub(crate) struct AuditLog {
    entries: VecDeque<(u64, Arc<Entry>)>,
    last: u64,
}

/// Entries, newest first, each with its number, and the number at which the next page starts.
pub(crate) type Page = (Vec<(u64, Arc<Entry>)>, Option<u64>);

impl AuditLog {
    /// Writes an entry down.
    pub(crate) fn record(&mut self, entry: Entry) {
        self.last += 1;
        if self.entries.len() == KEPT {
            self.entries.pop_front();
        }
        self.entries.push_back((self.last, Arc::new(entry)));
    }

    /// One page, from the entry with the number `start` or from the newest on.
    pub(crate) fn page(&self, wanted: &Wanted, start: Option<u64>, limit: usize) -> Page {
        let mut found = Vec::new();
        let from = |number: u64| start.is_none_or(|start| number <= start);
        let fitting = |(number, entry): &&(u64, Arc<Entry>)| from(*number) && wanted.fits(entry);
        for (number, entry) in self.entries.iter().rev().filter(fitting) {
            if found.len() == limit {
                return (found, Some(*number));
            }
            found.push((*number, Arc::clone(entry)));
        }
        (found, None)
    }

    /// Forgets the entries. Their numbers are not given again.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}

impl Sandbox {
    /// Writes down that an app was installed or uninstalled.
    pub(super) fn note_app(&self, action: &'static str, grant: &Grant) {
        let Some(app) = self.app(&grant.client_id) else {
            return;
        };
        let app = AppFace::new(&app, grant.user_scopes.clone(), grant.bot_scopes.clone());
        let at = self.now().unix_timestamp();
        let entry = self.with_org(|org| entries::app_entry(org, (at, action), grant, app));
        self.with_history(|history| history.note(entry));
    }
}
