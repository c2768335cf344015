//! `admin.users.*`: accounts as administrators see them.

use serde::Serialize;

use super::args::{ArgType, optional};
use super::error::WebApiError;
use super::method::{
    Method, MethodAccess, MethodCall, PageSizes, PageWindow, json_body, take_page,
};
use crate::sandbox::Tier;
use crate::sandbox::org::{GridOrganization, OrgLevel, Person, PersonIndex, WorkspaceLevel};

pub(super) const READ: MethodAccess = MethodAccess::Admin("admin.users:read");
pub(super) const WRITE: MethodAccess = MethodAccess::Admin("admin.users:write");

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "admin.users.list",
        tier: Tier::Four,
        access: READ,
        args: &[
            optional("cursor", ArgType::Text),
            optional("include_admins", ArgType::Flag),
            optional("include_deactivated_user_workspaces", ArgType::Flag),
            optional("include_owners", ArgType::Flag),
            optional("is_active", ArgType::Flag),
            optional("limit", ArgType::Count),
            optional("only_guests", ArgType::Flag),
            optional("team_id", ArgType::Text),
        ],
        run: list,
    },
    Method {
        name: "admin.users.unsupportedVersions.export",
        tier: Tier::One,
        access: READ,
        args: &[
            optional("date_end_of_support", ArgType::Count),
            optional("date_sessions_started", ArgType::Count),
        ],
        // Slack sends the export by e-mail, so that the response is empty.
        run: |_| json_body(&serde_json::json!({"ok": true})),
    },
];

const SIZES: PageSizes = PageSizes { default: 100, max: 1_000, out_of_range_error: None };

/// Returns the account of `user_id`.
pub(super) fn person(
    call: &MethodCall<'_>,
    org: &GridOrganization,
) -> Result<PersonIndex, WebApiError> {
    let id = call.args.text("user_id").unwrap_or_default();
    let found = org.find(&id).map(|(index, _)| index);
    found.ok_or_else(|| WebApiError::new("user_not_found"))
}

/// Returns the workspace of `team_id`.
pub(super) fn workspace(
    call: &MethodCall<'_>,
    org: &GridOrganization,
) -> Result<usize, WebApiError> {
    let id = call.args.text("team_id").unwrap_or_default();
    let found = org.workspace(&id).map(|(number, _)| number);
    found.ok_or_else(|| WebApiError::new("team_not_found"))
}

/// A page of accounts.
#[derive(Serialize)]
struct AdminUserList<'a> {
    ok: bool,
    users: Vec<AdminUserRow<'a>>,
    response_metadata: PaginationMetadata,
}

/// Pagination data.
#[derive(Serialize)]
pub(super) struct PaginationMetadata {
    pub(super) next_cursor: String,
}

/// An account in Slack's format.
#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "the shape is Slack's")]
struct AdminUserRow<'a> {
    id: &'a str,
    email: &'a str,
    is_admin: bool,
    is_owner: bool,
    is_primary_owner: bool,
    is_restricted: bool,
    is_ultra_restricted: bool,
    is_bot: bool,
    username: &'a str,
    full_name: String,
    is_active: bool,
    date_created: i64,
    deactivated_ts: i64,
    expiration_ts: i64,
    last_active_ts: i64,
    roles: Vec<&'a str>,
    workspaces: Vec<&'a str>,
    has_2fa: bool,
    has_sso: bool,
}

/// Level in one workspace or in the organization, as Slack's flags.
#[derive(Clone, Copy)]
struct LevelFlags {
    primary_owner: bool,
    owner: bool,
    admin: bool,
    guest: Option<WorkspaceLevel>,
    expires: i64,
}

/// Filters of the request.
#[expect(clippy::struct_excessive_bools, reason = "each is an argument of the method")]
struct AdminUserFilter {
    workspace: Option<usize>,
    active: bool,
    only_guests: bool,
    admins: bool,
    owners: bool,
    left_workspaces: bool,
}

fn list(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let window = call.window(SIZES)?;
    call.sandbox.with_org(|org| {
        let filter = filter(call, org)?;
        let (users, next) = match filter.workspace.and_then(|number| org.workspaces.get(number)) {
            None => rows(org, &filter, to_index(window.start)..org.people().len(), window),
            Some(place) => {
                let members = place.members.range(to_index(window.start)..).copied();
                rows(org, &filter, members, window)
            }
        };
        let response_metadata = PaginationMetadata { next_cursor: call.next_cursor(next) };
        json_body(&AdminUserList { ok: true, users, response_metadata })
    })
}

fn filter(call: &MethodCall<'_>, org: &GridOrganization) -> Result<AdminUserFilter, WebApiError> {
    let args = call.args;
    let workspace = match args.text("team_id") {
        // The organization's own id stands for the whole organization.
        Some(id) if id == org.id => None,
        Some(id) => {
            let found = org.workspace(&id).ok_or_else(|| WebApiError::new("team_not_found"))?;
            Some(found.0)
        }
        None => None,
    };
    let left_workspaces = args.flag("include_deactivated_user_workspaces").unwrap_or(false);
    if left_workspaces && workspace.is_some() {
        return Err(WebApiError::new("include_deactivated_user_workspaces_invalid"));
    }
    let flag = |name| args.flag(name).unwrap_or(false);
    let (only_guests, admins, owners) =
        (flag("only_guests"), flag("include_admins"), flag("include_owners"));
    if only_guests && (admins || owners) {
        return Err(WebApiError::new("invalid_arguments"));
    }
    Ok(AdminUserFilter {
        workspace,
        active: args.flag("is_active").unwrap_or(true),
        only_guests,
        admins,
        owners,
        left_workspaces,
    })
}

fn rows<'a>(
    org: &'a GridOrganization,
    filter: &AdminUserFilter,
    candidates: impl Iterator<Item = PersonIndex>,
    window: PageWindow,
) -> (Vec<AdminUserRow<'a>>, Option<u64>) {
    let matching = candidates.filter_map(|index| {
        let person = org.person(index)?;
        if person.is_active() != filter.active {
            return None;
        }
        let rank = level_flags(person, filter.workspace)?;
        // Either filter selects only such accounts; owners do not count as admins here.
        let is_owner = rank.owner || rank.primary_owner;
        let wants_all = !filter.admins && !filter.owners;
        let shown =
            (wants_all || filter.owners && is_owner || filter.admins && rank.admin && !is_owner)
                && (!filter.only_guests || rank.guest.is_some());
        shown.then_some((index, person, rank))
    });
    let row =
        |(index, person, rank)| (u64::try_from(index).unwrap_or(u64::MAX), (index, person, rank));
    let (found, next) = take_page(matching.map(row), window.limit);
    let rows = found.into_iter().map(|(index, person, rank)| AdminUserRow {
        id: &person.id,
        email: &person.email,
        is_admin: rank.admin,
        is_owner: rank.owner,
        is_primary_owner: rank.primary_owner,
        is_restricted: rank.guest.is_some(),
        is_ultra_restricted: rank.guest == Some(WorkspaceLevel::SingleChannelGuest),
        is_bot: person.is_bot(),
        username: &person.username,
        full_name: person.full_name(),
        is_active: person.is_active(),
        date_created: person.created,
        deactivated_ts: person.deactivated_at(),
        expiration_ts: rank.expires,
        last_active_ts: person.last_active,
        roles: roles(org, index),
        workspaces: if person.is_active() || filter.left_workspaces {
            org.workspace_ids(person)
        } else {
            Vec::new()
        },
        has_2fa: person.has_2fa,
        has_sso: person.has_sso,
    });
    (rows.collect(), next)
}

/// Returns the level flags of an account; an owner is an admin too, a primary owner all three.
fn level_flags(person: &Person, workspace: Option<usize>) -> Option<LevelFlags> {
    let Some(workspace) = workspace else {
        return Some(LevelFlags {
            primary_owner: person.org_level == OrgLevel::PrimaryOwner,
            owner: person.org_level >= OrgLevel::Owner,
            admin: person.org_level >= OrgLevel::Admin,
            guest: person.guest_level(),
            expires: if person.guest_level().is_some() { person.expires() } else { 0 },
        });
    };
    let membership = person.membership(workspace)?;
    Some(LevelFlags {
        primary_owner: membership.level == WorkspaceLevel::PrimaryOwner,
        owner: membership.level >= WorkspaceLevel::Owner,
        admin: membership.level >= WorkspaceLevel::Admin,
        guest: membership.level.is_guest().then_some(membership.level),
        expires: membership.expires,
    })
}

/// Returns the distinct system roles of an account.
fn roles(org: &GridOrganization, index: PersonIndex) -> Vec<&str> {
    let mut roles: Vec<&str> = org.roles.for_user(index).map(|row| row.role_id.as_str()).collect();
    roles.sort_unstable();
    roles.dedup();
    roles
}

/// Converts the position of a cursor to an index.
fn to_index(start: u64) -> usize {
    usize::try_from(start).unwrap_or(usize::MAX)
}
