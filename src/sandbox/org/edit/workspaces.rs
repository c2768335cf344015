//! Creation and settings of workspaces.

use std::collections::BTreeSet;

use super::{Edit, EditError, OrgChange};
use crate::sandbox::org::{
    Channel, Discoverability, GridWorkspace, PersonIndex, WorkspaceLevel, WorkspaceMembership,
};

/// Maximum length of the first label of a workspace's host name.
pub const MAX_DOMAIN_LENGTH: usize = 21;

/// Attributes of a workspace to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceSpec {
    /// Display name.
    pub name: String,
    /// First label of its host name.
    pub domain: String,
    /// Description.
    pub description: String,
    /// Who can find and join it.
    pub discoverability: Discoverability,
}

/// A workspace setting with its new value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkspaceSettingChange {
    /// Display name.
    Name(String),
    /// Description.
    Description(String),
    /// Who can find and join it.
    Discoverability(Discoverability),
    /// URL of its icon.
    Icon(String),
    /// The channels that new members join.
    DefaultChannels(Vec<String>),
}

impl Edit<'_> {
    /// Creates a workspace with the actor as its primary owner. Returns its position.
    ///
    /// # Errors
    ///
    /// [`EditError::NameTaken`]; [`EditError::Taken`] for the domain; [`EditError::Malformed`] for
    /// a domain that is not a valid host label.
    pub fn create_workspace(&mut self, spec: WorkspaceSpec) -> Result<usize, EditError> {
        let WorkspaceSpec { name, domain, description, discoverability } = spec;
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let fits = (1..=MAX_DOMAIN_LENGTH).contains(&domain.len()) && domain.bytes().all(is_plain);
        if !fits || domain.starts_with('-') || domain.ends_with('-') {
            return Err(EditError::Malformed);
        }
        let is_taken = |name: &str| name == domain;
        if is_taken(&self.domain) || self.workspaces.iter().any(|one| is_taken(&one.domain)) {
            return Err(EditError::Taken);
        }
        if self.is_name_taken(&name) {
            return Err(EditError::NameTaken);
        }
        let actor = self.actor().or_else(|| self.people().iter().position(|one| !one.is_bot()));
        let owner = actor.ok_or(EditError::NoSuchPerson)?;
        let workspace = GridWorkspace {
            id: self.org.new_id("T"),
            name,
            domain,
            description,
            discoverability,
            icon: None,
            primary_owner: owner,
            members: BTreeSet::from([owner]),
            channels: self.create_default_channels(),
            created: self.now,
        };
        let number = self.workspaces.len();
        self.org.workspaces.push(workspace);
        self.record(OrgChange::WorkspaceCreated(number));
        self.add_primary_owner(owner, number);
        Ok(number)
    }

    /// Changes one setting of a workspace.
    ///
    /// # Errors
    ///
    /// [`EditError::NameTaken`]; [`EditError::Malformed`] for an empty name;
    /// [`EditError::NoSuchChannel`] for a channel of another workspace, or for an empty list.
    pub fn change_setting(
        &mut self,
        number: usize,
        setting: WorkspaceSettingChange,
    ) -> Result<(), EditError> {
        let workspace = self.workspaces.get(number).ok_or(EditError::NoSuchWorkspace)?;
        match &setting {
            WorkspaceSettingChange::Name(name) if name.trim().is_empty() => {
                return Err(EditError::Malformed);
            }
            WorkspaceSettingChange::Name(name)
                if workspace.name != *name && self.is_name_taken(name) =>
            {
                return Err(EditError::NameTaken);
            }
            WorkspaceSettingChange::DefaultChannels(ids) if ids.is_empty() => {
                return Err(EditError::NoSuchChannel);
            }
            WorkspaceSettingChange::DefaultChannels(ids) => {
                let has = |id: &String| workspace.channels.iter().any(|one| one.id == *id);
                if !ids.iter().all(has) {
                    return Err(EditError::NoSuchChannel);
                }
            }
            WorkspaceSettingChange::Name(_)
            | WorkspaceSettingChange::Description(_)
            | WorkspaceSettingChange::Discoverability(_)
            | WorkspaceSettingChange::Icon(_) => {}
        }
        if let Some(workspace) = self.org.workspaces.get_mut(number) {
            let change = apply_setting(workspace, number, setting);
            self.record(change);
        }
        Ok(())
    }

    /// Renames the organization.
    ///
    /// # Errors
    ///
    /// [`EditError::Malformed`] for an empty name.
    pub fn rename_organization(&mut self, name: &str) -> Result<(), EditError> {
        let name = name.trim();
        if name.is_empty() {
            return Err(EditError::Malformed);
        }
        if self.name != name {
            name.clone_into(&mut self.org.name);
            self.record(OrgChange::OrganizationRenamed);
        }
        Ok(())
    }

    fn is_name_taken(&self, name: &str) -> bool {
        self.workspaces.iter().any(|one| one.name.to_lowercase() == name.trim().to_lowercase())
    }

    fn create_default_channels(&mut self) -> Vec<Channel> {
        let now = self.now;
        ["general", "random"]
            .map(|name| Channel::new_default(self.org.new_id("C"), name, now))
            .to_vec()
    }

    fn add_primary_owner(&mut self, owner: PersonIndex, workspace: usize) {
        let now = self.now;
        if let Some(person) = self.org.person_mut(owner) {
            let membership =
                WorkspaceMembership { workspace, level: WorkspaceLevel::PrimaryOwner, expires: 0 };
            person.memberships.push(membership);
            person.updated = now;
        }
        self.record(OrgChange::Joined { person: owner, workspace });
    }
}

fn apply_setting(
    workspace: &mut GridWorkspace,
    number: usize,
    setting: WorkspaceSettingChange,
) -> OrgChange {
    let changed = |setting| OrgChange::WorkspaceSetting { workspace: number, setting };
    match setting {
        WorkspaceSettingChange::Name(name) => {
            name.trim().clone_into(&mut workspace.name);
            OrgChange::WorkspaceRenamed(number)
        }
        WorkspaceSettingChange::Description(text) => {
            workspace.description = text;
            changed("description")
        }
        WorkspaceSettingChange::Discoverability(word) => {
            workspace.discoverability = word;
            changed("discoverability")
        }
        WorkspaceSettingChange::Icon(url) => {
            workspace.icon = Some(url);
            changed("icon")
        }
        WorkspaceSettingChange::DefaultChannels(ids) => {
            for channel in &mut workspace.channels {
                channel.is_default = ids.contains(&channel.id);
            }
            changed("default_channels")
        }
    }
}
