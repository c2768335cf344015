//! Audit log entries of a change. If Slack's reference has no action for it, the closest one is
//! used and the details say more.

use std::sync::Arc;

use super::log::{
    AuditApp, AuditDetail, AuditEntity, AuditGroup, AuditLocation, AuditLogEntry, AuditRole,
    AuditTeam, AuditUser,
};
use crate::sandbox::grants::{InstallTarget, Installation};
use crate::sandbox::org::{
    Actor, GridOrganization, GroupIndex, OrgChange, OrgLevel, Person, PersonIndex, ProfileChange,
    RecordedChange, SystemRoleAssignment, WorkspaceLevel, role_name,
};

/// Returns the entries of one change.
pub(crate) fn entries(
    org: &GridOrganization,
    recorded: &RecordedChange,
    app: Option<&Arc<AuditApp>>,
) -> Vec<AuditLogEntry> {
    let builder = EntryBuilder { org, recorded, app };
    match &recorded.change {
        OrgChange::Created(person) => {
            builder.user(*person, None, ("guest_created", "user_created"))
        }
        OrgChange::Invited { person, workspace } => {
            builder.user(*person, Some(*workspace), ("guest_created", "user_created"))
        }
        OrgChange::Profile { person, fields } => builder.profile(*person, *fields),
        OrgChange::Status(_) => Vec::new(),
        OrgChange::Deactivated(person) => {
            let guest = match recorded.actor {
                Actor::Person(_) => "guest_deactivated",
                Actor::Provider => "guest_expired",
            };
            builder.user(*person, None, (guest, "user_deactivated"))
        }
        OrgChange::Reactivated(person) => {
            builder.user(*person, None, ("guest_reactivated", "user_reactivated"))
        }
        OrgChange::Joined { person, workspace } => {
            let actions = ("guest_joined_workspace", "user_joined_workspace");
            builder.user(*person, Some(*workspace), actions)
        }
        OrgChange::Left { person, workspace } => {
            // There is no action for a removal. For the workspace, the account counts as deleted.
            let actions = ("guest_deactivated", "user_deactivated");
            builder.user(*person, Some(*workspace), actions)
        }
        OrgChange::Level { person, workspace, level } => {
            builder.user(*person, *workspace, same_action(level_action(*level)))
        }
        OrgChange::OrgLevel { person, level } => {
            builder.user(*person, None, same_action(org_level_action(*level)))
        }
        OrgChange::Expiration { person, at } => builder.expiration(*person, *at),
        OrgChange::RoleAssigned(row) => builder.role(row, "role_assigned"),
        OrgChange::RoleRemoved(row) => builder.role(row, "role_removed"),
        OrgChange::WorkspaceCreated(workspace) => {
            builder.workspace(*workspace, "workspace_created", None)
        }
        OrgChange::WorkspaceRenamed(workspace) => {
            builder.workspace(*workspace, "prefs_setting_changed", Some("name"))
        }
        OrgChange::WorkspaceSetting { workspace, setting } => {
            builder.workspace(*workspace, "prefs_setting_changed", Some(setting))
        }
        OrgChange::GroupCreated(group) => builder.group(*group, "created"),
        OrgChange::GroupChanged(group) => builder.group(*group, "updated"),
        OrgChange::GroupLinked { group, workspaces } => builder.linked(*group, workspaces),
        OrgChange::GroupChannels { group, added, removed } => {
            builder.channels(*group, added, removed)
        }
        OrgChange::GroupMembers { group, added, removed, .. } => {
            builder.members(*group, added, removed)
        }
        OrgChange::GroupDeleted { id, name } => {
            let group = Arc::new(AuditGroup { id: id.clone(), name: name.clone() });
            vec![builder.group_entry(&group, "deleted")]
        }
        OrgChange::SessionsEnded(person) => {
            builder.user(*person, None, same_action("user_session_reset_by_admin"))
        }
        OrgChange::SessionEnded(person) => {
            builder.user(*person, None, same_action("user_session_invalidated"))
        }
        OrgChange::SessionSettings(person) => {
            builder.user(*person, None, same_action("user_session_settings_changed"))
        }
        OrgChange::OrganizationRenamed => {
            let entity = AuditEntity::Enterprise(audit_enterprise(org));
            vec![builder.entry("organization_renamed", entity, None)]
        }
    }
}

/// Returns the entry of an app that was installed or uninstalled.
pub(super) fn app_entry(
    org: &GridOrganization,
    (at, action): (i64, &'static str),
    grant: &Installation,
    app: AuditApp,
) -> AuditLogEntry {
    let workspace = match &grant.install {
        InstallTarget::Org => None,
        InstallTarget::Workspace(id) => org.workspace(id).map(|(number, _)| number),
    };
    AuditLogEntry {
        at,
        action,
        actor: org.find(&grant.user_id).map(|(_, person)| audit_user(org, person, workspace)),
        entity: AuditEntity::App(Arc::new(app)),
        location: audit_location(org, workspace),
        app: None,
        details: Vec::new(),
    }
}

/// Returns one action for guests and full members.
fn same_action(action: &'static str) -> (&'static str, &'static str) {
    (action, action)
}

fn level_action(level: WorkspaceLevel) -> &'static str {
    match level {
        WorkspaceLevel::SingleChannelGuest | WorkspaceLevel::MultiChannelGuest => {
            "role_change_to_guest"
        }
        WorkspaceLevel::Member => "role_change_to_user",
        WorkspaceLevel::Admin => "role_change_to_admin",
        WorkspaceLevel::Owner => "role_change_to_owner",
        WorkspaceLevel::PrimaryOwner => "owner_transferred",
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

/// Builds the entries of one change.
struct EntryBuilder<'a> {
    org: &'a GridOrganization,
    recorded: &'a RecordedChange,
    app: Option<&'a Arc<AuditApp>>,
}

impl EntryBuilder<'_> {
    fn entry(
        &self,
        action: &'static str,
        entity: AuditEntity,
        workspace: Option<usize>,
    ) -> AuditLogEntry {
        let actor = match self.recorded.actor {
            Actor::Person(index) => self.org.person(index),
            Actor::Provider => None,
        };
        AuditLogEntry {
            at: self.recorded.at,
            action,
            actor: actor.map(|person| audit_user(self.org, person, None)),
            entity,
            location: audit_location(self.org, workspace),
            app: self.app.cloned(),
            details: Vec::new(),
        }
    }

    /// Returns the entry about an account: the first action for guests, the second for others.
    fn user(
        &self,
        index: PersonIndex,
        workspace: Option<usize>,
        (guest, member): (&'static str, &'static str),
    ) -> Vec<AuditLogEntry> {
        let person = self.org.person(index).into_iter();
        let entry = |person: &Person| {
            let action = if person.guest_level().is_some() { guest } else { member };
            self.entry(
                action,
                AuditEntity::User(audit_user(self.org, person, workspace)),
                workspace,
            )
        };
        person.map(entry).collect()
    }

    /// Returns the entries about a profile. Changes of other attributes than these have none.
    fn profile(&self, person: PersonIndex, fields: ProfileChange) -> Vec<AuditLogEntry> {
        let shown = fields.shown.then_some("user_profile_updated");
        let email = fields.email.then_some("user_email_updated");
        let actions = shown.into_iter().chain(email);
        actions.flat_map(|action| self.user(person, None, same_action(action))).collect()
    }

    fn expiration(&self, person: PersonIndex, at: i64) -> Vec<AuditLogEntry> {
        if at == 0 {
            return self.user(person, None, same_action("guest_expiration_cleared"));
        }
        let mut entries = self.user(person, None, same_action("guest_expiration_set"));
        for entry in &mut entries {
            entry.details.push(("expires_on", AuditDetail::Number(at)));
        }
        entries
    }

    fn role(&self, row: &SystemRoleAssignment, action: &'static str) -> Vec<AuditLogEntry> {
        let name = role_name(&row.role_id).unwrap_or(&row.role_id).to_owned();
        let role = AuditRole { id: row.role_id.clone(), name, kind: "system" };
        let workspace = self.org.workspace(&row.entity_id).map(|(number, _)| number);
        let mut entry = self.entry(action, AuditEntity::Role(Arc::new(role)), workspace);
        if let Some(person) = self.org.person(row.user) {
            entry.details.push(("target_user", AuditDetail::Text(person.id.clone())));
        }
        entry.details.push(("target_entity", AuditDetail::Text(row.entity_id.clone())));
        vec![entry]
    }

    fn workspace(
        &self,
        workspace: usize,
        action: &'static str,
        setting: Option<&'static str>,
    ) -> Vec<AuditLogEntry> {
        let Some(team) = audit_team(self.org, workspace) else {
            return Vec::new();
        };
        let mut entry = self.entry(action, AuditEntity::Workspace(team), Some(workspace));
        entry.details.extend(setting.map(|name| ("pref_name", AuditDetail::Text(name.to_owned()))));
        vec![entry]
    }

    fn group(&self, index: GroupIndex, action: &'static str) -> Vec<AuditLogEntry> {
        self.audit_group(index).map(|group| self.group_entry(&group, action)).into_iter().collect()
    }

    fn group_entry(&self, group: &Arc<AuditGroup>, action: &'static str) -> AuditLogEntry {
        let entity = AuditEntity::Usergroup(Arc::clone(group));
        let mut entry = self.entry("usergroup_updated", entity, None);
        entry.details.push(("subteam", AuditDetail::Text(group.id.clone())));
        entry.details.push(("action", AuditDetail::Text(action.to_owned())));
        entry
    }

    /// Returns an entry for each workspace that a group was linked to.
    fn linked(&self, group: GroupIndex, workspaces: &[usize]) -> Vec<AuditLogEntry> {
        let Some(group) = self.audit_group(group) else {
            return Vec::new();
        };
        let entry = |workspace: &usize| {
            let entity = AuditEntity::Usergroup(Arc::clone(&group));
            self.entry("usergroup_added_to_team", entity, Some(*workspace))
        };
        workspaces.iter().map(entry).collect()
    }

    /// Returns an entry for each default channel that was added to a group or removed.
    fn channels(
        &self,
        group: GroupIndex,
        added: &[String],
        removed: &[String],
    ) -> Vec<AuditLogEntry> {
        let Some(group) = self.audit_group(group) else {
            return Vec::new();
        };
        let came = added.iter().map(|id| (id, "default_channel_added_to_usergroup"));
        let left = removed.iter().map(|id| (id, "default_channel_removed_from_usergroup"));
        let entry = |(id, action): (&String, &'static str)| {
            let mut entry = self.entry(action, AuditEntity::Usergroup(Arc::clone(&group)), None);
            entry.details.push(("channel", AuditDetail::Text(id.clone())));
            entry
        };
        came.chain(left).map(entry).collect()
    }

    /// Returns an entry for each account that was added to a group or removed.
    fn members(
        &self,
        group: GroupIndex,
        added: &[PersonIndex],
        removed: &[PersonIndex],
    ) -> Vec<AuditLogEntry> {
        let Some(group) = self.audit_group(group) else {
            return Vec::new();
        };
        let came = added.iter().map(|index| (*index, "user_added_to_usergroup"));
        let left = removed.iter().map(|index| (*index, "user_removed_from_usergroup"));
        let entry = |(index, action)| {
            let person = self.org.person(index)?;
            let mut entry = self.entry(action, AuditEntity::Usergroup(Arc::clone(&group)), None);
            entry.details.push(("user", AuditDetail::Text(person.id.clone())));
            Some(entry)
        };
        came.chain(left).filter_map(entry).collect()
    }

    fn audit_group(&self, index: GroupIndex) -> Option<Arc<AuditGroup>> {
        let group = self.org.groups.get(index)?;
        Some(Arc::new(AuditGroup { id: group.id.clone(), name: group.name.clone() }))
    }
}

fn audit_team(org: &GridOrganization, workspace: usize) -> Option<Arc<AuditTeam>> {
    let workspace = org.workspaces.get(workspace)?;
    let (id, name, domain) = (&workspace.id, &workspace.name, &workspace.domain);
    Some(Arc::new(AuditTeam { id: id.clone(), name: name.clone(), domain: domain.clone() }))
}

fn audit_location(org: &GridOrganization, workspace: Option<usize>) -> AuditLocation {
    match workspace.and_then(|number| audit_team(org, number)) {
        Some(team) => AuditLocation::Workspace(team),
        None => AuditLocation::Enterprise(audit_enterprise(org)),
    }
}

fn audit_enterprise(org: &GridOrganization) -> Arc<AuditTeam> {
    let (id, name, domain) = (&org.id, &org.name, &org.domain);
    Arc::new(AuditTeam { id: id.clone(), name: name.clone(), domain: domain.clone() })
}

/// Returns an account as it is in a workspace, or in the organization.
fn audit_user(org: &GridOrganization, person: &Person, workspace: Option<usize>) -> Arc<AuditUser> {
    let team = workspace.and_then(|number| org.workspaces.get(number));
    Arc::new(AuditUser {
        id: person.id.clone(),
        name: person.full_name(),
        email: person.email.clone(),
        team: team.map_or(&org.id, |workspace| &workspace.id).clone(),
        account_type: account_type(person, workspace),
    })
}

fn account_type(person: &Person, workspace: Option<usize>) -> &'static str {
    let there = workspace.and_then(|number| person.membership(number)).map(|one| one.level);
    if let Some(level) = there.or_else(|| person.guest_level()) {
        return match level {
            WorkspaceLevel::SingleChannelGuest => "single_channel_guest",
            WorkspaceLevel::MultiChannelGuest => "multi_channel_guest",
            WorkspaceLevel::Member => "member",
            WorkspaceLevel::Admin => "admin",
            WorkspaceLevel::Owner => "owner",
            WorkspaceLevel::PrimaryOwner => "primary_owner",
        };
    }
    match person.org_level {
        OrgLevel::Member => "member",
        OrgLevel::Admin => "admin",
        OrgLevel::Owner => "owner",
        OrgLevel::PrimaryOwner => "primary_owner",
    }
}
