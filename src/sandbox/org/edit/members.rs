//! Workspace memberships: adding, inviting and removing accounts, guests included.

use super::validate::{MAX_USERNAME_LENGTH, username_char};
use super::{Edit, EditError, OrgChange};
use crate::sandbox::org::{
    JobInfo, Location, OrgLevel, Person, PersonIndex, PersonKind, PersonStatus, WorkspaceLevel,
    WorkspaceMembership,
};

/// Level, channels and expiration of a new membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipInput {
    /// Member or one of the two guest levels.
    pub level: WorkspaceLevel,
    /// Channels to join; required for guests.
    pub channels: Vec<String>,
    /// Unix seconds when a guest's access expires, 0 for never.
    pub expires: i64,
}

/// An invitation by e-mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailInvitation {
    /// E-mail address.
    pub email: String,
    /// Full name, if given.
    pub name: String,
    /// The membership.
    pub membership: MembershipInput,
}

impl Edit<'_> {
    /// Adds an account to a workspace. A deactivated account is reactivated.
    ///
    /// # Errors
    ///
    /// [`EditError::AlreadyMember`]; [`EditError::Bot`]; [`EditError::Guest`] or
    /// [`EditError::NotGuest`] if the account has the other kind of membership elsewhere;
    /// [`EditError::NoSuchChannel`].
    pub fn assign(
        &mut self,
        index: PersonIndex,
        team: usize,
        entry: &MembershipInput,
    ) -> Result<(), EditError> {
        self.validate_membership(team, entry)?;
        let person = self.person(index).ok_or(EditError::NoSuchPerson)?;
        if person.is_bot() {
            return Err(EditError::Bot);
        }
        let there = person.membership(team).is_some();
        if there && person.is_active() {
            return Err(EditError::AlreadyMember);
        }
        let elsewhere = person.memberships.iter().filter(|one| one.workspace != team);
        let mut elsewhere = elsewhere.map(|one| one.level).peekable();
        if entry.level.is_guest() {
            if elsewhere.clone().any(|level| !level.is_guest()) {
                return Err(EditError::NotGuest);
            }
            // A single-channel guest is a member of one workspace only.
            if entry.level == WorkspaceLevel::SingleChannelGuest && elsewhere.peek().is_some() {
                return Err(EditError::NotGuest);
            }
            if person.org_level != OrgLevel::Member || self.is_any_primary_owner(index) {
                return Err(EditError::HasOrgLevel);
            }
        } else if elsewhere.any(WorkspaceLevel::is_guest)
            || person.pending_guest_expiration.is_some()
        {
            return Err(EditError::Guest);
        }
        self.reactivate(index)?;
        if entry.level.is_guest() {
            self.remove_roles(index, |_| true);
        }
        self.add_membership(index, team, entry);
        Ok(())
    }

    /// Invites a person into a workspace by e-mail. An account of another workspace is added
    /// directly.
    ///
    /// # Errors
    ///
    /// [`EditError::Malformed`] for an invalid address; [`EditError::AlreadyMember`];
    /// [`EditError::Invited`] for a pending invitation; [`EditError::Deactivated`]; those of
    /// [`Edit::assign`] for an account of another workspace.
    pub fn invite(
        &mut self,
        team: usize,
        asked: &EmailInvitation,
    ) -> Result<PersonIndex, EditError> {
        self.validate_membership(team, &asked.membership)?;
        let email = asked.email.trim();
        let (local, domain) = email.split_once('@').ok_or(EditError::Malformed)?;
        if local.is_empty() || !domain.contains('.') || email.contains(char::is_whitespace) {
            return Err(EditError::Malformed);
        }
        let known = self.find_by_email(email).map(|(index, person)| (index, person.clone()));
        if let Some((index, person)) = known {
            let there = person.membership(team).is_some();
            return match person.status {
                PersonStatus::Deactivated { .. } => Err(EditError::Deactivated),
                PersonStatus::Invited if there => Err(EditError::Invited),
                PersonStatus::Active if there => Err(EditError::AlreadyMember),
                PersonStatus::Active | PersonStatus::Invited => {
                    self.assign(index, team, &asked.membership).map(|()| index)
                }
            };
        }
        let person = self.invited_person(email, local, &asked.name);
        let index = self.org.add_person(person);
        self.record(OrgChange::Invited { person: index, workspace: team });
        self.add_membership(index, team, &asked.membership);
        Ok(index)
    }

    /// Removes an account from a workspace. A guest without another workspace is deactivated
    /// instead, because without a membership it would no longer be a guest.
    ///
    /// # Errors
    ///
    /// [`EditError::PrimaryOwner`] for the workspace's and the organization's;
    /// [`EditError::NotMember`]; [`EditError::Deactivated`]; [`EditError::Bot`].
    pub fn remove(&mut self, index: PersonIndex, team: usize) -> Result<(), EditError> {
        let person = self.person(index).ok_or(EditError::NoSuchPerson)?;
        if person.is_bot() {
            return Err(EditError::Bot);
        }
        if !person.is_active() {
            return Err(EditError::Deactivated);
        }
        let membership = person.membership(team).ok_or(EditError::NotMember)?;
        let first = membership.level == WorkspaceLevel::PrimaryOwner;
        if first || person.org_level == OrgLevel::PrimaryOwner {
            return Err(EditError::PrimaryOwner);
        }
        if membership.level.is_guest() && person.memberships.len() == 1 {
            return self.deactivate(index);
        }
        self.remove_membership(index, team);
        Ok(())
    }

    fn remove_membership(&mut self, index: PersonIndex, team: usize) {
        let entity = self.workspaces.get(team).map(|workspace| workspace.id.clone());
        self.remove_roles(index, |row| Some(&row.entity_id) == entity.as_ref());
        let now = self.now;
        if let Some(person) = self.org.person_mut(index) {
            person.memberships.retain(|one| one.workspace != team);
            person.updated = now;
        }
        if let Some(workspace) = self.org.workspaces.get_mut(team) {
            workspace.members.remove(&index);
        }
        self.org.index_guest_expiration(index);
        self.record(OrgChange::Left { person: index, workspace: team });
    }

    /// Validates a membership for the workspace.
    fn validate_membership(&self, team: usize, entry: &MembershipInput) -> Result<(), EditError> {
        let workspace = self.workspaces.get(team).ok_or(EditError::NoSuchWorkspace)?;
        let has = |id: &String| workspace.channels.iter().any(|one| one.id == *id);
        if !entry.channels.iter().all(has) {
            return Err(EditError::NoSuchChannel);
        }
        let fits = match entry.level {
            WorkspaceLevel::SingleChannelGuest => entry.channels.len() == 1,
            WorkspaceLevel::MultiChannelGuest => !entry.channels.is_empty(),
            WorkspaceLevel::Member
            | WorkspaceLevel::Admin
            | WorkspaceLevel::Owner
            | WorkspaceLevel::PrimaryOwner => true,
        };
        if fits { Ok(()) } else { Err(EditError::NoSuchChannel) }
    }

    fn add_membership(&mut self, index: PersonIndex, team: usize, entry: &MembershipInput) {
        let membership =
            WorkspaceMembership { workspace: team, level: entry.level, expires: entry.expires };
        let now = self.now;
        if let Some(person) = self.org.person_mut(index) {
            person.memberships.retain(|one| one.workspace != team);
            person.memberships.push(membership);
            person.pending_guest_expiration = None;
            person.updated = now;
        }
        if let Some(workspace) = self.org.workspaces.get_mut(team) {
            workspace.members.insert(index);
        }
        if entry.level.is_guest() {
            let channels = self.org.guest_channels.entry(index).or_default();
            channels.extend(entry.channels.iter().cloned());
        }
        self.org.index_guest_expiration(index);
        self.record(OrgChange::Joined { person: index, workspace: team });
    }

    /// Whether the account is the primary owner of any workspace.
    pub(super) fn is_any_primary_owner(&self, index: PersonIndex) -> bool {
        self.workspaces.iter().any(|workspace| workspace.primary_owner == index)
    }

    /// Returns a new account with a pending invitation.
    fn invited_person(&mut self, email: &str, local: &str, name: &str) -> Person {
        let (first, last) = name.trim().split_once(' ').unwrap_or((name.trim(), ""));
        Person {
            id: self.org.new_id("U"),
            kind: PersonKind::Human,
            username: self.username_from_email(local),
            email: email.to_owned(),
            first_name: first.to_owned(),
            last_name: last.trim().to_owned(),
            display_name: String::new(),
            job: JobInfo::default(),
            phone: String::new(),
            location: Location::unknown(),
            scim: None,
            pending_guest_expiration: None,
            org_level: OrgLevel::Member,
            memberships: Vec::new(),
            groups: Vec::new(),
            has_2fa: false,
            has_sso: false,
            status: PersonStatus::Invited,
            created: self.now,
            updated: self.now,
            last_active: 0,
        }
    }

    /// Returns an unused username of at most 21 characters, derived from the local part of an
    /// address.
    fn username_from_email(&self, local: &str) -> String {
        let stem: String = local.chars().map(username_char).take(MAX_USERNAME_LENGTH).collect();
        self.available_username(&stem, None).unwrap_or(stem)
    }
}
