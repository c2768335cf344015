//! `admin.users.*`: accounts as the organization's administrators see them.

use serde::Serialize;

use super::args::{Form, optional};
use super::method::{Access, Call, Method, Sizes, Window, json_body, page};
use super::refusal::Refusal;
use crate::sandbox::Tier;
use crate::sandbox::org::{Level, OrgLevel, Organization, Person, PersonIndex};

pub(super) const READ: Access = Access::Admin("admin.users:read");
pub(super) const WRITE: Access = Access::Admin("admin.users:write");

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "admin.users.list",
        tier: Tier::Four,
        access: READ,
        args: &[
            optional("cursor", Form::Text),
            optional("include_admins", Form::Flag),
            optional("include_deactivated_user_workspaces", Form::Flag),
            optional("include_owners", Form::Flag),
            optional("is_active", Form::Flag),
            optional("limit", Form::Count),
            optional("only_guests", Form::Flag),
            optional("team_id", Form::Text),
        ],
        run: list,
    },
    Method {
        name: "admin.users.unsupportedVersions.export",
        tier: Tier::One,
        access: READ,
        args: &[
            optional("date_end_of_support", Form::Count),
            optional("date_sessions_started", Form::Count),
        ],
        // Slack sends the export by mail, so that nothing else is to be seen.
        run: |_| json_body(&serde_json::json!({"ok": true})),
    },
];

const SIZES: Sizes = Sizes { default: 100, most: 1_000, refuse: None };

/// The account that `user_id` names.
pub(super) fn person(call: &Call<'_>, org: &Organization) -> Result<PersonIndex, Refusal> {
    let id = call.args.text("user_id").unwrap_or_default();
    let found = org.find(&id).map(|(index, _)| index);
    found.ok_or_else(|| Refusal::new("user_not_found"))
}

/// The workspace that `team_id` names.
pub(super) fn workspace(call: &Call<'_>, org: &Organization) -> Result<usize, Refusal> {
    let id = call.args.text("team_id").unwrap_or_default();
    let found = org.workspace(&id).map(|(number, _)| number);
    found.ok_or_else(|| Refusal::new("team_not_found"))
}

/// An answer with a page of accounts.
#[derive(Serialize)]
struct Answer<'a> {
    ok: bool,
    users: Vec<Row<'a>>,
    response_metadata: Metadata,
}

/// Where the next page starts.
#[derive(Serialize)]
pub(super) struct Metadata {
    pub(super) next_cursor: String,
}

/// An account.
#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "the shape is Slack's")]
struct Row<'a> {
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

/// The level in one workspace, or in the organization as a whole.
#[derive(Clone, Copy)]
struct Rank {
    primary_owner: bool,
    owner: bool,
    admin: bool,
    guest: Option<Level>,
    expires: i64,
}

/// What the caller wants to see.
#[expect(clippy::struct_excessive_bools, reason = "each is an argument of the method")]
struct Filter {
    workspace: Option<usize>,
    active: bool,
    only_guests: bool,
    admins: bool,
    owners: bool,
    left_workspaces: bool,
}

fn list(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let window = call.window(SIZES)?;
    call.sandbox.with_org(|org| {
        let filter = filter(call, org)?;
        let (users, next) = match filter.workspace.and_then(|number| org.workspaces.get(number)) {
            None => rows(org, &filter, from(window.start)..org.people().len(), window),
            Some(place) => {
                let members = place.members.range(from(window.start)..).copied();
                rows(org, &filter, members, window)
            }
        };
        let response_metadata = Metadata { next_cursor: call.next_cursor(next) };
        json_body(&Answer { ok: true, users, response_metadata })
    })
}

fn filter(call: &Call<'_>, org: &Organization) -> Result<Filter, Refusal> {
    let args = call.args;
    let workspace = match args.text("team_id") {
        // The organization's own id names no workspace: the whole organization is meant.
        Some(id) if id == org.id => None,
        Some(id) => {
            let found = org.workspace(&id).ok_or_else(|| Refusal::new("team_not_found"))?;
            Some(found.0)
        }
        None => None,
    };
    let left_workspaces = args.flag("include_deactivated_user_workspaces").unwrap_or(false);
    if left_workspaces && workspace.is_some() {
        return Err(Refusal::new("include_deactivated_user_workspaces_invalid"));
    }
    let flag = |name| args.flag(name).unwrap_or(false);
    let (only_guests, admins, owners) =
        (flag("only_guests"), flag("include_admins"), flag("include_owners"));
    if only_guests && (admins || owners) {
        return Err(Refusal::new("invalid_arguments"));
    }
    Ok(Filter {
        workspace,
        active: args.flag("is_active").unwrap_or(true),
        only_guests,
        admins,
        owners,
        left_workspaces,
    })
}

fn rows<'a>(
    org: &'a Organization,
    filter: &Filter,
    candidates: impl Iterator<Item = PersonIndex>,
    window: Window,
) -> (Vec<Row<'a>>, Option<u64>) {
    let wanted = candidates.filter_map(|index| {
        let person = org.person(index)?;
        if person.is_active() != filter.active {
            return None;
        }
        let rank = rank(person, filter.workspace)?;
        // Either of the two asks for such people alone; owners are no admins here.
        let is_owner = rank.owner || rank.primary_owner;
        let wants_all = !filter.admins && !filter.owners;
        let shown =
            (wants_all || filter.owners && is_owner || filter.admins && rank.admin && !is_owner)
                && (!filter.only_guests || rank.guest.is_some());
        shown.then_some((index, person, rank))
    });
    let row =
        |(index, person, rank)| (u64::try_from(index).unwrap_or(u64::MAX), (index, person, rank));
    let (found, next) = page(wanted.map(row), window.limit);
    let rows = found.into_iter().map(|(index, person, rank)| Row {
        id: &person.id,
        email: &person.email,
        is_admin: rank.admin,
        is_owner: rank.owner,
        is_primary_owner: rank.primary_owner,
        is_restricted: rank.guest.is_some(),
        is_ultra_restricted: rank.guest == Some(Level::SingleChannelGuest),
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

/// The flags of an account; an owner is an admin as well, and the primary owner all three.
fn rank(person: &Person, workspace: Option<usize>) -> Option<Rank> {
    let Some(workspace) = workspace else {
        return Some(Rank {
            primary_owner: person.org_level == OrgLevel::PrimaryOwner,
            owner: person.org_level >= OrgLevel::Owner,
            admin: person.org_level >= OrgLevel::Admin,
            guest: person.guest(),
            expires: if person.guest().is_some() { person.expires() } else { 0 },
        });
    };
    let membership = person.membership(workspace)?;
    Some(Rank {
        primary_owner: membership.level == Level::PrimaryOwner,
        owner: membership.level >= Level::Owner,
        admin: membership.level >= Level::Admin,
        guest: membership.level.is_guest().then_some(membership.level),
        expires: membership.expires,
    })
}

/// The system roles of an account, each once.
fn roles(org: &Organization, index: PersonIndex) -> Vec<&str> {
    let mut roles: Vec<&str> = org.roles.of(index).map(|row| row.role_id.as_str()).collect();
    roles.sort_unstable();
    roles.dedup();
    roles
}

/// A position of a cursor as one of the list.
fn from(start: u64) -> usize {
    usize::try_from(start).unwrap_or(usize::MAX)
}
