//! The workspaces of the organization.

use std::collections::BTreeSet;

use super::{Channel, PersonIndex};

/// One workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// `T…`.
    pub id: String,
    /// The name people read.
    pub name: String,
    /// The first part of its host name, at most 21 characters.
    pub domain: String,
    /// A sentence about it.
    pub description: String,
    /// Who may find and enter it.
    pub discoverability: Discoverability,
    /// The address of its picture, when it has one.
    pub icon: Option<String>,
    /// Who has the last word in it.
    pub primary_owner: PersonIndex,
    /// Everybody in it, guests, bots and deactivated accounts included.
    pub members: BTreeSet<PersonIndex>,
    /// Its channels, oldest first.
    pub channels: Vec<Channel>,
    /// Unix seconds.
    pub created: i64,
}

/// Who may find and enter a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discoverability {
    /// Anybody may enter.
    Open,
    /// Anybody may see it; one is invited.
    InviteOnly,
    /// Seen by name, entry on request.
    Closed,
    /// Not shown.
    Unlisted,
}

impl Discoverability {
    /// What a word of Slack's says.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::Open, Self::InviteOnly, Self::Closed, Self::Unlisted]
            .into_iter()
            .find(|one| one.as_str() == word)
    }

    /// Slack's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::InviteOnly => "invite_only",
            Self::Closed => "closed",
            Self::Unlisted => "unlisted",
        }
    }
}

impl Workspace {
    /// Where its pages are.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}.slack.com/", self.domain)
    }
}

impl Workspace {
    /// The channels that new members join.
    #[must_use = "an iterator does nothing by itself"]
    pub fn default_channels(&self) -> impl Iterator<Item = &Channel> {
        self.channels.iter().filter(|channel| channel.is_default)
    }
}
