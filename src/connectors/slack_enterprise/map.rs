//! Maps Slack's wire types to unified objects.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use time::OffsetDateTime;

use super::roles::{self, AdminLevel};
use super::wire;
use crate::domain::assignment::{RoleAssignment, assignment_id};
use crate::domain::group::Group;
use crate::domain::role::RoleScope;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{
    Address, Email, Phone, Photo, ResourceRef, User, UserRole, UserStatus, UserType,
};
use crate::domain::workspace::{PrimaryOwner, Workspace};

/// Converts Unix seconds; 0 means none.
pub(super) fn seconds(at: Option<i64>) -> Option<OffsetDateTime> {
    at.filter(|at| *at > 0).and_then(|at| Some(Timestamp::from_unix(at).ok()?.utc()))
}

fn rfc3339(at: Option<&str>) -> Option<OffsetDateTime> {
    at.and_then(|at| Some(at.parse::<Timestamp>().ok()?.utc()))
}

fn non_blank(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

fn reference(id: String) -> ResourceRef {
    ResourceRef { id, name: None }
}

fn user_type(is_bot: bool, is_restricted: bool, is_ultra_restricted: bool) -> UserType {
    if is_bot {
        UserType::Bot
    } else if is_ultra_restricted {
        UserType::GuestSingleChannel
    } else if is_restricted {
        UserType::GuestMultiChannel
    } else {
        UserType::Member
    }
}

/// The scope of the level flags of a row.
#[derive(Debug, Clone, Copy)]
pub(super) enum RowScope<'a> {
    /// The organization.
    Organization,
    /// One workspace.
    Workspace {
        /// The workspace.
        team: &'a str,
        /// The role of the row in the workspace.
        role: Option<&'static str>,
    },
}

/// Maps a row of `admin.users.list`.
pub(super) fn user_from_admin_list(
    mut row: wire::AdminUser,
    active_pass: bool,
    view: RowScope<'_>,
    organization: &Arc<str>,
) -> User {
    let status = if row.is_active.unwrap_or(active_pass) {
        UserStatus::Active
    } else {
        UserStatus::Inactive
    };
    let kind = user_type(row.is_bot, row.is_restricted, row.is_ultra_restricted);
    let mut workspaces = std::mem::take(&mut row.workspaces);
    let mut roles = match view {
        RowScope::Organization => {
            level_roles(AdminLevel::in_organization(&row), kind, &workspaces, organization)
        }
        RowScope::Workspace { team, role } => {
            // The row of a deactivated user has no workspaces, although it is listed in this one.
            if !workspaces.iter().any(|one| one == team) {
                workspaces.push(team.to_owned());
            }
            role.map(|role| workspace_role(role, team, organization)).into_iter().collect()
        }
    };
    roles.extend(row.roles.into_iter().map(|id| {
        let name = roles::name(&id).map_or_else(|| id.clone().into(), Cow::Borrowed);
        UserRole {
            id: id.into(),
            name,
            scope: RoleScope::Organization,
            workspace_id: None,
            organization: Some(Arc::clone(organization)),
        }
    }));
    User {
        name: non_blank(row.full_name),
        username: non_blank(row.username),
        emails: primary_email(row.email),
        is_2fa_enabled: row.has_2fa,
        is_sso_enabled: row.has_sso,
        roles: if status == UserStatus::Active { roles } else { Vec::new() },
        workspaces: workspaces.into_iter().map(reference).collect(),
        expires_at: seconds(row.expiration_ts),
        created_at: seconds(row.date_created),
        last_activity_at: seconds(row.last_active_ts),
        deactivated_at: seconds(row.deactivated_ts),
        ..User::bare(row.id, status, kind)
    }
}

/// Returns a level or guest role in one workspace.
pub(super) fn workspace_role(id: &'static str, team: &str, organization: &Arc<str>) -> UserRole {
    UserRole {
        id: id.into(),
        name: roles::name(id).unwrap_or(id).into(),
        scope: RoleScope::Workspace,
        workspace_id: Some(team.to_owned()),
        organization: Some(Arc::clone(organization)),
    }
}

/// Returns the roles of a user's flags: a level in the organization, or a guest role in each workspace.
fn level_roles(
    level: AdminLevel,
    kind: UserType,
    workspaces: &[String],
    organization: &Arc<str>,
) -> Vec<UserRole> {
    let held = |id: &'static str, scope, workspace_id| UserRole {
        id: id.into(),
        name: roles::name(id).unwrap_or(id).into(),
        scope,
        workspace_id,
        organization: Some(Arc::clone(organization)),
    };
    let guest = match kind {
        UserType::Bot => return Vec::new(),
        UserType::Member => {
            return vec![held(level.organization_role(), RoleScope::Organization, None)];
        }
        UserType::GuestMultiChannel => "ws:guest_multi_channel",
        UserType::GuestSingleChannel => "ws:guest_single_channel",
    };
    workspaces.iter().map(|id| held(guest, RoleScope::Workspace, Some(id.clone()))).collect()
}

/// The name in `identifiers` of a user's id in the organization.
const ENTERPRISE_USER: &str = "enterprise_user";

/// Returns the ids under which Slack lists the same user.
pub(super) fn ids(user: &User) -> impl Iterator<Item = &str> + Clone {
    [Some(&user.id), user.identifiers.get(ENTERPRISE_USER)]
        .into_iter()
        .flatten()
        .map(String::as_str)
}

/// Maps the user of `users.info`.
pub(super) fn user_from_info(user: wire::WebUser, organization: &Arc<str>) -> User {
    let status = if user.deleted {
        UserStatus::Inactive
    } else if user.is_invited_user {
        UserStatus::Invited
    } else {
        UserStatus::Active
    };
    let kind = user_type(user.is_bot, user.is_restricted, user.is_ultra_restricted);
    let (level, workspaces, enterprise_id) = match user.enterprise_user {
        Some(part) => (AdminLevel::in_enterprise(&part), part.teams, part.id),
        None => (AdminLevel::Member, Vec::new(), None),
    };
    let roles =
        if user.deleted { Vec::new() } else { level_roles(level, kind, &workspaces, organization) };
    let profile = user.profile;
    User {
        identifiers: enterprise_id
            .map(|id| BTreeMap::from([(ENTERPRISE_USER.to_owned(), id)]))
            .unwrap_or_default(),
        first_name: non_blank(profile.first_name),
        last_name: non_blank(profile.last_name),
        name: non_blank(profile.real_name).or_else(|| non_blank(user.real_name)),
        username: non_blank(user.name),
        title: non_blank(profile.title),
        emails: primary_email(profile.email),
        phones: non_blank(profile.phone)
            .map(|number| Phone { number, extension: None, kind: None })
            .into_iter()
            .collect(),
        photos: non_blank(profile.image_512)
            .map(|url| Photo { url, kind: Some("image_512".to_owned()) })
            .into_iter()
            .collect(),
        is_email_verified: user.is_email_confirmed,
        is_2fa_enabled: user.has_2fa,
        roles,
        workspaces: workspaces.into_iter().map(reference).collect(),
        timezone: non_blank(user.tz),
        locale: non_blank(user.locale),
        updated_at: seconds(user.updated),
        ..User::bare(user.id, status, kind)
    }
}

fn primary_email(email: Option<String>) -> Vec<Email> {
    non_blank(email)
        .map(|email| Email { email, kind: Some("work".to_owned()), is_primary: true })
        .into_iter()
        .collect()
}

/// Adds the fields of SCIM. Where both have a value, SCIM wins: it was written by the customer's identity provider.
pub(super) fn add_scim(user: &mut User, scim: wire::ScimUser) {
    user.external_id = non_blank(scim.external_id);
    let (given, family) =
        scim.name.map_or((None, None), |name| (name.given_name, name.family_name));
    prefer(&mut user.first_name, given);
    prefer(&mut user.last_name, family);
    prefer(&mut user.username, scim.user_name);
    prefer(&mut user.title, scim.title);
    prefer(&mut user.timezone, scim.timezone);
    prefer(&mut user.locale, scim.locale);
    if let Some(enterprise) = scim.enterprise {
        user.employee_number = non_blank(enterprise.employee_number);
        user.cost_center = non_blank(enterprise.cost_center);
        user.organization = non_blank(enterprise.organization);
        user.division = non_blank(enterprise.division);
        user.department = non_blank(enterprise.department);
        let manager = enterprise.manager.and_then(|manager| non_blank(manager.manager_id));
        user.manager = manager.map(reference);
    }
    user.created_at = rfc3339(scim.meta.and_then(|meta| meta.created).as_deref());
    if let Some(guest) = scim.guest {
        user.expires_at = rfc3339(guest.expiration.as_deref());
        // Only SCIM has the guest type of a deactivated guest.
        user.user_type = match guest.kind.as_deref() {
            Some("single") => UserType::GuestSingleChannel,
            Some("multi") => UserType::GuestMultiChannel,
            _ => user.user_type,
        };
    }
    if let Some(date) = scim.profile.and_then(|profile| non_blank(profile.start_date)) {
        user.custom_fields.insert("start_date".to_owned(), date.into());
    }
    replace(&mut user.emails, scim.emails, |email| {
        let address = non_blank(email.value)?;
        Some(Email { email: address, kind: email.kind, is_primary: email.primary == Some(true) })
    });
    replace(&mut user.phones, scim.phone_numbers, |phone| {
        Some(Phone { number: non_blank(phone.value)?, extension: None, kind: phone.kind })
    });
    replace(&mut user.photos, scim.photos, |photo| {
        Some(Photo { url: non_blank(photo.value)?, kind: photo.kind })
    });
    replace(&mut user.addresses, scim.addresses, address);
    let mut groups = Vec::new();
    replace(&mut groups, scim.groups, |group| {
        Some(ResourceRef { id: non_blank(group.value)?, name: group.display })
    });
    user.groups = Some(groups);
}

fn address(address: wire::ScimAddress) -> Option<Address> {
    let mapped = Address {
        street: non_blank(address.street_address),
        city: non_blank(address.locality),
        region: non_blank(address.region),
        postal_code: non_blank(address.postal_code),
        country: non_blank(address.country),
    };
    let empty =
        Address { street: None, city: None, region: None, postal_code: None, country: None };
    (mapped != empty).then_some(mapped)
}

/// Replaces a field by SCIM's value, if it is not blank.
fn prefer(field: &mut Option<String>, scim: Option<String>) {
    if let Some(text) = non_blank(scim) {
        *field = Some(text);
    }
}

/// Replaces a list by SCIM's list, if it is not empty.
fn replace<S, T>(field: &mut Vec<T>, scim: Vec<S>, map: impl FnMut(S) -> Option<T>) {
    let mapped: Vec<T> = scim.into_iter().filter_map(map).collect();
    if !mapped.is_empty() {
        *field = mapped;
    }
}

/// Maps a SCIM group.
pub(super) fn group(group: wire::ScimGroup) -> Group {
    let members = group.members.into_iter().filter_map(|member| {
        Some(ResourceRef { id: non_blank(member.value)?, name: non_blank(member.display) })
    });
    let members: Vec<ResourceRef> = members.collect();
    Group {
        name: non_blank(group.display_name).unwrap_or_else(|| group.id.clone()),
        id: group.id,
        description: None,
        member_count: u64::try_from(members.len()).ok(),
        members,
        workspaces: None,
        created_at: rfc3339(group.meta.and_then(|meta| meta.created).as_deref()),
    }
}

/// Maps a row of `admin.teams.list`.
pub(super) fn workspace(team: wire::AdminTeam) -> Workspace {
    Workspace {
        name: non_blank(team.name).unwrap_or_else(|| team.id.clone()),
        id: team.id,
        description: None,
        domain: team.team_url.as_deref().and_then(domain),
        url: non_blank(team.team_url),
        discoverability: non_blank(team.discoverability),
        icon_url: None,
        primary_owner: team.primary_owner.and_then(|owner| {
            Some(PrimaryOwner { id: owner.user_id?, email: non_blank(owner.email) })
        }),
        owner_ids: None,
        admin_ids: None,
        member_count: None,
        default_channels: None,
        created_at: None,
    }
}

/// Returns the first label of a workspace's host: `acme` for `https://acme.slack.com/`.
fn domain(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    let host = url.domain()?;
    host.split_once('.').map(|(label, _)| label.to_owned())
}

/// Maps a row of `admin.roles.listAssignments`.
pub(super) fn system_assignment(row: wire::SystemAssignment, organization: &str) -> RoleAssignment {
    let scope = match row.entity_id.as_bytes().first() {
        Some(b'E') => RoleScope::Organization,
        Some(b'T') => RoleScope::Workspace,
        _ => RoleScope::Channel,
    };
    RoleAssignment {
        created_at: seconds(row.date_create),
        ..assignment(&row.role_id, row.user_id, scope, &row.entity_id, organization)
    }
}

/// Maps a row of `admin.roles.listAssignments` to a user's role.
pub(super) fn system_role(row: wire::SystemAssignment, organization: &Arc<str>) -> UserRole {
    let held = system_assignment(row, organization);
    UserRole {
        id: held.role_id.into(),
        name: held.role_name.into(),
        scope: held.scope,
        workspace_id: held.workspace_id,
        organization: Some(Arc::clone(organization)),
    }
}

/// Returns the assignment of one role to one user in one organization, workspace or channel.
pub(super) fn assignment(
    role_id: &str,
    user_id: String,
    scope: RoleScope,
    entity_id: &str,
    organization: &str,
) -> RoleAssignment {
    let id = assignment_id(role_id, &user_id, entity_id);
    let at = |wanted| (scope == wanted).then(|| entity_id.to_owned());
    RoleAssignment {
        id,
        user_id,
        role_id: role_id.to_owned(),
        role_name: roles::name(role_id).unwrap_or(role_id).to_owned(),
        scope,
        workspace: at(RoleScope::Workspace).map(reference).into_iter().collect(),
        workspace_id: at(RoleScope::Workspace),
        organization_id: Some(organization.to_owned()),
        group_id: None,
        group_type: None,
        channel_id: at(RoleScope::Channel),
        is_privileged: roles::is_privileged(role_id),
        granted_by: None,
        created_at: None,
        updated_at: None,
    }
}
