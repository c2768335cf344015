//! What the audit log says about a change. Where Slack's page knows no action for it, the nearest
//! one stands, and the details say more.

use std::sync::Arc;

use super::{AppFace, Detail, Entity, Entry, Face, Named, Place, RoleFace, Site};
use crate::sandbox::grants::{Grant, Install};
use crate::sandbox::org::{
    Actor, Change, GroupIndex, Level, OrgLevel, Organization, Person, PersonIndex, Recorded,
    RoleAssignment, role_name,
};

/// The entries of one change.
pub(crate) fn entries(
    org: &Organization,
    recorded: &Recorded,
    app: Option<&Arc<AppFace>>,
) -> Vec<Entry> {
    let scribe = Scribe { org, recorded, app };
    match &recorded.change {
        Change::Created(person) => scribe.user(*person, None, ("guest_created", "user_created")),
        Change::Invited { person, workspace } => {
            scribe.user(*person, Some(*workspace), ("guest_created", "user_created"))
        }
        Change::Profile(person) => scribe.user(*person, None, same("user_profile_updated")),
        Change::Deactivated(person) => {
            let guest = match recorded.actor {
                Actor::Person(_) => "guest_deactivated",
                Actor::Provider => "guest_expired",
            };
            scribe.user(*person, None, (guest, "user_deactivated"))
        }
        Change::Reactivated(person) => {
            scribe.user(*person, None, ("guest_reactivated", "user_reactivated"))
        }
        Change::Joined { person, workspace } => {
            let actions = ("guest_joined_workspace", "user_joined_workspace");
            scribe.user(*person, Some(*workspace), actions)
        }
        Change::Left { person, workspace } => {
            scribe.user(*person, Some(*workspace), same("user_removed_from_workspace"))
        }
        Change::Level { person, workspace, level } => {
            scribe.user(*person, Some(*workspace), same(level_action(*level)))
        }
        Change::OrgLevel { person, level } => {
            scribe.user(*person, None, same(org_level_action(*level)))
        }
        Change::Expiration { person, at } => scribe.expiration(*person, *at),
        Change::RoleAssigned(row) => scribe.role(row, "role_assigned"),
        Change::RoleRemoved(row) => scribe.role(row, "role_removed"),
        Change::WorkspaceCreated(workspace) => {
            scribe.workspace(*workspace, "workspace_created", None)
        }
        Change::WorkspaceRenamed(workspace) => {
            scribe.workspace(*workspace, "prefs_setting_changed", Some("name"))
        }
        Change::WorkspaceSetting { workspace, setting } => {
            scribe.workspace(*workspace, "prefs_setting_changed", Some(setting))
        }
        Change::GroupCreated(group) => scribe.group(*group, "created"),
        Change::GroupChanged(group) => scribe.group(*group, "updated"),
        Change::GroupMembers { group, added, removed } => scribe.members(*group, added, removed),
        Change::GroupDeleted { id, name } => {
            let group = Arc::new(Named { id: id.clone(), name: name.clone() });
            vec![scribe.group_entry(&group, "deleted")]
        }
        Change::SessionsEnded(person) => {
            scribe.user(*person, None, same("user_session_reset_by_admin"))
        }
        Change::SessionEnded(person) => {
            scribe.user(*person, None, same("user_session_invalidated"))
        }
        Change::SessionSettings(person) => {
            scribe.user(*person, None, same("user_session_settings_changed"))
        }
    }
}

/// The entry of an app that came or went.
pub(super) fn app_entry(
    org: &Organization,
    (at, action): (i64, &'static str),
    grant: &Grant,
    app: AppFace,
) -> Entry {
    let workspace = match &grant.install {
        Install::Org => None,
        Install::Workspace(id) => org.workspace(id).map(|(number, _)| number),
    };
    Entry {
        at,
        action,
        actor: org.find(&grant.user_id).map(|(_, person)| face(org, person, workspace)),
        entity: Entity::App(Arc::new(app)),
        place: place(org, workspace),
        app: None,
        details: Vec::new(),
    }
}

/// One action for guests and full members alike.
fn same(action: &'static str) -> (&'static str, &'static str) {
    (action, action)
}

fn level_action(level: Level) -> &'static str {
    match level {
        Level::SingleChannelGuest | Level::MultiChannelGuest => "role_change_to_guest",
        Level::Member => "role_change_to_user",
        Level::Admin => "role_change_to_admin",
        Level::Owner => "role_change_to_owner",
        Level::PrimaryOwner => "owner_transferred",
    }
}

fn org_level_action(level: OrgLevel) -> &'static str {
    match level {
        OrgLevel::Member => "role_change_to_user",
        OrgLevel::Admin => "role_change_to_admin",
        OrgLevel::Owner => "role_change_to_owner",
        OrgLevel::PrimaryOwner => "owner_transferred",
    }
}

/// Writes the entries of one change.
struct Scribe<'a> {
    org: &'a Organization,
    recorded: &'a Recorded,
    app: Option<&'a Arc<AppFace>>,
}

impl Scribe<'_> {
    fn entry(&self, action: &'static str, entity: Entity, workspace: Option<usize>) -> Entry {
        let actor = match self.recorded.actor {
            Actor::Person(index) => self.org.person(index),
            Actor::Provider => None,
        };
        Entry {
            at: self.recorded.at,
            action,
            actor: actor.map(|person| face(self.org, person, None)),
            entity,
            place: place(self.org, workspace),
            app: self.app.cloned(),
            details: Vec::new(),
        }
    }

    /// The entry about an account: the first action for guests, the second for others.
    fn user(
        &self,
        index: PersonIndex,
        workspace: Option<usize>,
        (guest, member): (&'static str, &'static str),
    ) -> Vec<Entry> {
        let person = self.org.person(index).into_iter();
        let entry = |person: &Person| {
            let action = if person.guest().is_some() { guest } else { member };
            self.entry(action, Entity::User(face(self.org, person, workspace)), workspace)
        };
        person.map(entry).collect()
    }

    fn expiration(&self, person: PersonIndex, at: i64) -> Vec<Entry> {
        if at == 0 {
            return self.user(person, None, same("guest_expiration_cleared"));
        }
        let mut entries = self.user(person, None, same("guest_expiration_set"));
        for entry in &mut entries {
            entry.details.push(("expires_on", Detail::Number(at)));
        }
        entries
    }

    fn role(&self, row: &RoleAssignment, action: &'static str) -> Vec<Entry> {
        let name = role_name(&row.role_id).unwrap_or(&row.role_id).to_owned();
        let role = RoleFace { id: row.role_id.clone(), name, kind: "system" };
        let workspace = self.org.workspace(&row.entity_id).map(|(number, _)| number);
        let mut entry = self.entry(action, Entity::Role(Arc::new(role)), workspace);
        if let Some(person) = self.org.person(row.user) {
            entry.details.push(("target_user", Detail::Text(person.id.clone())));
        }
        entry.details.push(("target_entity", Detail::Text(row.entity_id.clone())));
        vec![entry]
    }

    fn workspace(
        &self,
        workspace: usize,
        action: &'static str,
        setting: Option<&'static str>,
    ) -> Vec<Entry> {
        let Some(site) = site(self.org, workspace) else {
            return Vec::new();
        };
        let mut entry = self.entry(action, Entity::Workspace(site), Some(workspace));
        entry.details.extend(setting.map(|name| ("pref_name", Detail::Text(name.to_owned()))));
        vec![entry]
    }

    fn group(&self, index: GroupIndex, action: &'static str) -> Vec<Entry> {
        self.named(index).map(|group| self.group_entry(&group, action)).into_iter().collect()
    }

    fn group_entry(&self, group: &Arc<Named>, action: &'static str) -> Entry {
        let entity = Entity::Usergroup(Arc::clone(group));
        let mut entry = self.entry("usergroup_updated", entity, None);
        entry.details.push(("subteam", Detail::Text(group.id.clone())));
        entry.details.push(("action", Detail::Text(action.to_owned())));
        entry
    }

    /// An entry for everybody who came into a group or left it.
    fn members(
        &self,
        group: GroupIndex,
        added: &[PersonIndex],
        removed: &[PersonIndex],
    ) -> Vec<Entry> {
        let Some(group) = self.named(group) else {
            return Vec::new();
        };
        let came = added.iter().map(|index| (*index, "user_added_to_usergroup"));
        let left = removed.iter().map(|index| (*index, "user_removed_from_usergroup"));
        let entry = |(index, action)| {
            let person = self.org.person(index)?;
            let mut entry = self.entry(action, Entity::Usergroup(Arc::clone(&group)), None);
            entry.details.push(("user", Detail::Text(person.id.clone())));
            Some(entry)
        };
        came.chain(left).filter_map(entry).collect()
    }

    fn named(&self, index: GroupIndex) -> Option<Arc<Named>> {
        let group = self.org.groups.get(index)?;
        Some(Arc::new(Named { id: group.id.clone(), name: group.name.clone() }))
    }
}

fn site(org: &Organization, workspace: usize) -> Option<Arc<Site>> {
    let workspace = org.workspaces.get(workspace)?;
    let (id, name, domain) = (&workspace.id, &workspace.name, &workspace.domain);
    Some(Arc::new(Site { id: id.clone(), name: name.clone(), domain: domain.clone() }))
}

fn place(org: &Organization, workspace: Option<usize>) -> Place {
    match workspace.and_then(|number| site(org, number)) {
        Some(site) => Place::Workspace(site),
        None => Place::Enterprise(Arc::new(Site {
            id: org.id.clone(),
            name: org.name.clone(),
            domain: org.domain.clone(),
        })),
    }
}

/// An account as it is in a workspace, or in the organization.
fn face(org: &Organization, person: &Person, workspace: Option<usize>) -> Arc<Face> {
    let team = workspace.and_then(|number| org.workspaces.get(number));
    Arc::new(Face {
        id: person.id.clone(),
        name: person.full_name(),
        email: person.email.clone(),
        team: team.map_or(&org.id, |workspace| &workspace.id).clone(),
        account_type: account_type(person, workspace),
    })
}

fn account_type(person: &Person, workspace: Option<usize>) -> &'static str {
    let there = workspace.and_then(|number| person.membership(number)).map(|one| one.level);
    if let Some(level) = there.or_else(|| person.guest()) {
        return match level {
            Level::SingleChannelGuest => "single_channel_guest",
            Level::MultiChannelGuest => "multi_channel_guest",
            Level::Member => "member",
            Level::Admin => "admin",
            Level::Owner => "owner",
            Level::PrimaryOwner => "primary_owner",
        };
    }
    match person.org_level {
        OrgLevel::Member => "member",
        OrgLevel::Admin => "admin",
        OrgLevel::Owner => "owner",
        OrgLevel::PrimaryOwner => "primary_owner",
    }
}
