//! Workspaces that are made and set up.

use std::collections::BTreeSet;

use super::{Change, Edit, Rule};
use crate::sandbox::org::{Channel, Discoverability, Level, Membership, PersonIndex, Workspace};

/// The longest that the first part of a workspace's host name can be.
pub const LONGEST_DOMAIN: usize = 21;

/// A workspace as it is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWorkspace {
    /// The name people read.
    pub name: String,
    /// The first part of its host name.
    pub domain: String,
    /// A sentence about it.
    pub description: String,
    /// Who may find and enter it.
    pub discoverability: Discoverability,
}

/// A setting of a workspace and what it is to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// Its name.
    Name(String),
    /// The sentence about it.
    Description(String),
    /// Who may find and enter it.
    Discoverability(Discoverability),
    /// The address of its picture.
    Icon(String),
    /// The channels that new members join.
    DefaultChannels(Vec<String>),
}

impl Edit<'_> {
    /// Makes a workspace whose primary owner is the one who acts.
    ///
    /// # Errors
    ///
    /// [`Rule::NameTaken`], [`Rule::Taken`] for the domain, [`Rule::Malformed`] for a domain that
    /// no host name could begin with.
    pub fn create_workspace(&mut self, wanted: NewWorkspace) -> Result<usize, Rule> {
        let NewWorkspace { name, domain, description, discoverability } = wanted;
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let fits = (1..=LONGEST_DOMAIN).contains(&domain.len()) && domain.bytes().all(is_plain);
        if !fits || domain.starts_with('-') || domain.ends_with('-') {
            return Err(Rule::Malformed);
        }
        let is_taken = |name: &str| name == domain;
        if is_taken(&self.domain) || self.workspaces.iter().any(|one| is_taken(&one.domain)) {
            return Err(Rule::Taken);
        }
        if self.is_named(&name) {
            return Err(Rule::NameTaken);
        }
        let actor = self.actor().or_else(|| self.people().iter().position(|one| !one.is_bot()));
        let owner = actor.ok_or(Rule::NoSuchPerson)?;
        let workspace = Workspace {
            id: self.org.new_id("T"),
            name,
            domain,
            description,
            discoverability,
            icon: None,
            primary_owner: owner,
            members: BTreeSet::from([owner]),
            channels: self.first_channels(),
            created: self.now,
        };
        let number = self.workspaces.len();
        self.org.workspaces.push(workspace);
        self.record(Change::WorkspaceCreated(number));
        self.lead(owner, number);
        Ok(number)
    }

    /// Changes one setting of a workspace.
    ///
    /// # Errors
    ///
    /// [`Rule::NameTaken`]; [`Rule::Malformed`] for an empty name; [`Rule::NoSuchChannel`] for a
    /// channel of another workspace, or for none at all.
    pub fn set_up(&mut self, number: usize, setting: Setting) -> Result<(), Rule> {
        let workspace = self.workspaces.get(number).ok_or(Rule::NoSuchWorkspace)?;
        match &setting {
            Setting::Name(name) if name.trim().is_empty() => return Err(Rule::Malformed),
            Setting::Name(name) if workspace.name != *name && self.is_named(name) => {
                return Err(Rule::NameTaken);
            }
            Setting::DefaultChannels(ids) if ids.is_empty() => return Err(Rule::NoSuchChannel),
            Setting::DefaultChannels(ids) => {
                let has = |id: &String| workspace.channels.iter().any(|one| one.id == *id);
                if !ids.iter().all(has) {
                    return Err(Rule::NoSuchChannel);
                }
            }
            Setting::Name(_)
            | Setting::Description(_)
            | Setting::Discoverability(_)
            | Setting::Icon(_) => {}
        }
        if let Some(workspace) = self.org.workspaces.get_mut(number) {
            let change = apply(workspace, number, setting);
            self.record(change);
        }
        Ok(())
    }

    fn is_named(&self, name: &str) -> bool {
        self.workspaces.iter().any(|one| one.name.to_lowercase() == name.trim().to_lowercase())
    }

    fn first_channels(&mut self) -> Vec<Channel> {
        let now = self.now;
        ["general", "random"].map(|name| Channel::first(self.org.new_id("C"), name, now)).to_vec()
    }

    fn lead(&mut self, owner: PersonIndex, workspace: usize) {
        let now = self.now;
        if let Some(person) = self.org.person_mut(owner) {
            let membership = Membership { workspace, level: Level::PrimaryOwner, expires: 0 };
            person.memberships.push(membership);
            person.updated = now;
        }
        self.record(Change::Joined { person: owner, workspace });
    }
}

fn apply(workspace: &mut Workspace, number: usize, setting: Setting) -> Change {
    let changed = |setting| Change::WorkspaceSetting { workspace: number, setting };
    match setting {
        Setting::Name(name) => {
            name.trim().clone_into(&mut workspace.name);
            Change::WorkspaceRenamed(number)
        }
        Setting::Description(text) => {
            workspace.description = text;
            changed("description")
        }
        Setting::Discoverability(word) => {
            workspace.discoverability = word;
            changed("discoverability")
        }
        Setting::Icon(url) => {
            workspace.icon = Some(url);
            changed("icon")
        }
        Setting::DefaultChannels(ids) => {
            for channel in &mut workspace.channels {
                channel.is_default = ids.contains(&channel.id);
            }
            changed("default_channels")
        }
    }
}
