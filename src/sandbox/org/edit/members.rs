//! Accounts that come into a workspace and leave it again, guests among them.

use super::texts::{LONGEST_HANDLE, handle_letter};
use super::{Change, Edit, Rule};
use crate::sandbox::org::{
    Job, Kind, Level, Membership, OrgLevel, Person, PersonIndex, Place, Standing,
};

/// How somebody is to be in a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Member or one of the two kinds of guest.
    pub level: Level,
    /// The channels to be put into; a guest needs some.
    pub channels: Vec<String>,
    /// Unix seconds when a guest's stay ends, 0 for no end.
    pub expires: i64,
}

/// An invitation by mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// To whom.
    pub email: String,
    /// The whole name, as far as it was said.
    pub name: String,
    /// How.
    pub entry: Entry,
}

impl Edit<'_> {
    /// Puts an account into a workspace, or back into it. One that was switched off everywhere is
    /// switched on.
    ///
    /// # Errors
    ///
    /// [`Rule::AlreadyMember`]; [`Rule::Bot`]; [`Rule::Guest`] or [`Rule::NotGuest`] when the
    /// account is the other sort of member elsewhere; [`Rule::NoSuchChannel`].
    pub fn assign(&mut self, index: PersonIndex, team: usize, entry: &Entry) -> Result<(), Rule> {
        self.check_entry(team, entry)?;
        let person = self.person(index).ok_or(Rule::NoSuchPerson)?;
        if person.is_bot() {
            return Err(Rule::Bot);
        }
        let there = person.membership(team).is_some();
        if there && person.is_active() {
            return Err(Rule::AlreadyMember);
        }
        let elsewhere = person.memberships.iter().filter(|one| one.workspace != team);
        let mut elsewhere = elsewhere.map(|one| one.level).peekable();
        if entry.level.is_guest() {
            if elsewhere.clone().any(|level| !level.is_guest()) {
                return Err(Rule::NotGuest);
            }
            // A guest of one channel is in one workspace only.
            if entry.level == Level::SingleChannelGuest && elsewhere.peek().is_some() {
                return Err(Rule::NotGuest);
            }
            if person.org_level != OrgLevel::Member || self.leads(index) {
                return Err(Rule::RanksInOrganization);
            }
        } else if elsewhere.any(Level::is_guest) || person.unplaced.is_some() {
            return Err(Rule::Guest);
        }
        self.reactivate(index)?;
        if entry.level.is_guest() {
            self.take_roles(index, |_| true);
        }
        self.enter(index, team, entry);
        Ok(())
    }

    /// Asks somebody by mail into a workspace. Whoever is in the organization already, switched off
    /// or not, is not asked again.
    ///
    /// # Errors
    ///
    /// [`Rule::Malformed`] for no address; [`Rule::AlreadyMember`] for a member of the workspace;
    /// [`Rule::Invited`] for one who was asked and has not come; [`Rule::Deactivated`]; and those of
    /// [`Edit::assign`] for somebody of another workspace.
    pub fn invite(&mut self, team: usize, asked: &Invitation) -> Result<PersonIndex, Rule> {
        self.check_entry(team, &asked.entry)?;
        let email = asked.email.trim();
        let (local, domain) = email.split_once('@').ok_or(Rule::Malformed)?;
        if local.is_empty() || !domain.contains('.') || email.contains(char::is_whitespace) {
            return Err(Rule::Malformed);
        }
        let known = self.find_by_email(email).map(|(index, person)| (index, person.clone()));
        if let Some((index, person)) = known {
            let there = person.membership(team).is_some();
            return match person.standing {
                Standing::Deactivated { .. } => Err(Rule::Deactivated),
                Standing::Invited if there => Err(Rule::Invited),
                Standing::Active if there => Err(Rule::AlreadyMember),
                Standing::Active | Standing::Invited => {
                    self.assign(index, team, &asked.entry).map(|()| index)
                }
            };
        }
        let person = self.invited(email, local, &asked.name);
        let index = self.org.add_person(person);
        self.record(Change::Invited { person: index, workspace: team });
        self.enter(index, team, &asked.entry);
        Ok(index)
    }

    /// Takes an account out of a workspace. A guest who is nowhere else is switched off instead: out
    /// of every workspace it would be a guest no more.
    ///
    /// # Errors
    ///
    /// [`Rule::PrimaryOwner`] for the workspace's and the organization's; [`Rule::NotMember`];
    /// [`Rule::Deactivated`]; [`Rule::Bot`].
    pub fn remove(&mut self, index: PersonIndex, team: usize) -> Result<(), Rule> {
        let person = self.person(index).ok_or(Rule::NoSuchPerson)?;
        if person.is_bot() {
            return Err(Rule::Bot);
        }
        if !person.is_active() {
            return Err(Rule::Deactivated);
        }
        let membership = person.membership(team).ok_or(Rule::NotMember)?;
        let first = membership.level == Level::PrimaryOwner;
        if first || person.org_level == OrgLevel::PrimaryOwner {
            return Err(Rule::PrimaryOwner);
        }
        if membership.level.is_guest() && person.memberships.len() == 1 {
            return self.deactivate(index);
        }
        self.leave(index, team);
        Ok(())
    }

    fn leave(&mut self, index: PersonIndex, team: usize) {
        let entity = self.workspaces.get(team).map(|workspace| workspace.id.clone());
        self.take_roles(index, |row| Some(&row.entity_id) == entity.as_ref());
        let now = self.now;
        if let Some(person) = self.org.person_mut(index) {
            person.memberships.retain(|one| one.workspace != team);
            person.updated = now;
        }
        if let Some(workspace) = self.org.workspaces.get_mut(team) {
            workspace.members.remove(&index);
        }
        self.org.note_stay(index);
        self.record(Change::Left { person: index, workspace: team });
    }

    /// Whether the entry makes sense in the workspace.
    fn check_entry(&self, team: usize, entry: &Entry) -> Result<(), Rule> {
        let workspace = self.workspaces.get(team).ok_or(Rule::NoSuchWorkspace)?;
        let has = |id: &String| workspace.channels.iter().any(|one| one.id == *id);
        if !entry.channels.iter().all(has) {
            return Err(Rule::NoSuchChannel);
        }
        let fits = match entry.level {
            Level::SingleChannelGuest => entry.channels.len() == 1,
            Level::MultiChannelGuest => !entry.channels.is_empty(),
            Level::Member | Level::Admin | Level::Owner | Level::PrimaryOwner => true,
        };
        if fits { Ok(()) } else { Err(Rule::NoSuchChannel) }
    }

    fn enter(&mut self, index: PersonIndex, team: usize, entry: &Entry) {
        let membership = Membership { workspace: team, level: entry.level, expires: entry.expires };
        let now = self.now;
        if let Some(person) = self.org.person_mut(index) {
            person.memberships.retain(|one| one.workspace != team);
            person.memberships.push(membership);
            person.unplaced = None;
            person.updated = now;
        }
        if let Some(workspace) = self.org.workspaces.get_mut(team) {
            workspace.members.insert(index);
        }
        if entry.level.is_guest() {
            let channels = self.org.guest_channels.entry(index).or_default();
            channels.extend(entry.channels.iter().cloned());
        }
        self.org.note_stay(index);
        self.record(Change::Joined { person: index, workspace: team });
    }

    /// Whether the account is the primary owner of any workspace.
    pub(super) fn leads(&self, index: PersonIndex) -> bool {
        self.workspaces.iter().any(|workspace| workspace.primary_owner == index)
    }

    /// An account that has been asked to come and has not yet.
    fn invited(&mut self, email: &str, local: &str, name: &str) -> Person {
        let (first, last) = name.trim().split_once(' ').unwrap_or((name.trim(), ""));
        Person {
            id: self.org.new_id("U"),
            kind: Kind::Human,
            username: self.free_username(local),
            email: email.to_owned(),
            first_name: first.to_owned(),
            last_name: last.trim().to_owned(),
            display_name: String::new(),
            job: Job::default(),
            phone: String::new(),
            place: Place::unknown(),
            record: None,
            unplaced: None,
            org_level: OrgLevel::Member,
            memberships: Vec::new(),
            groups: Vec::new(),
            has_2fa: false,
            has_sso: false,
            standing: Standing::Invited,
            created: self.now,
            updated: self.now,
            last_active: 0,
        }
    }

    /// A handle that nobody has, made from the local part of an address: at most 21 characters.
    fn free_username(&self, local: &str) -> String {
        let stem: String = local.chars().map(handle_letter).take(LONGEST_HANDLE).collect();
        self.free_handle(&stem, None).unwrap_or(stem)
    }
}
