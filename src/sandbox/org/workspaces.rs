//! The workspaces of the organization.

use std::collections::BTreeSet;

use super::{Channel, PersonIndex};

/// A workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GridWorkspace {
    /// `T…`.
    pub id: String,
    /// Display name.
    pub name: String,
    /// First label of its host name, at most 21 characters.
    pub domain: String,
    /// Description.
    pub description: String,
    /// Who can find and join it.
    pub discoverability: Discoverability,
    /// URL of its icon, if it has one.
    pub icon: Option<String>,
    /// Primary owner.
    pub primary_owner: PersonIndex,
    /// All members, including guests, bots and deactivated accounts.
    pub members: BTreeSet<PersonIndex>,
    /// Its channels, oldest first.
    pub channels: Vec<Channel>,
    /// Unix seconds.
    pub created: i64,
}

/// Who can find and join a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discoverability {
    /// Visible; anyone may join.
    Open,
    /// Visible; joining needs an invitation.
    InviteOnly,
    /// Name visible; joining needs approval.
    Closed,
    /// Hidden.
    Unlisted,
}

impl Discoverability {
    /// Parses Slack's name of the value.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Open, Self::InviteOnly, Self::Closed, Self::Unlisted]
            .into_iter()
            .find(|one| one.as_str() == word)
    }

    /// Returns Slack's name of the value.
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

impl GridWorkspace {
    /// Returns the base URL of its pages.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}.slack.com/", self.domain)
    }
}

impl GridWorkspace {
    /// Returns the channels that new members join.
    #[must_use = "an iterator does nothing unless consumed"]
    pub fn default_channels(&self) -> impl Iterator<Item = &Channel> {
        self.channels.iter().filter(|channel| channel.is_default)
    }
}
