//! What the gateway must say, worked out from the sandbox's organization alone.

use serde_json::Value;
use switchboard::sandbox::org::{Level, OrgLevel, Organization, Person, Standing};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// One role held by one user: role, user, and the organization, workspace or channel.
pub(crate) type Held = (String, String, String);

/// Unix seconds as the API writes them, null for none.
pub(crate) fn moment(seconds: i64) -> Value {
    let moment = OffsetDateTime::from_unix_timestamp(seconds).ok().filter(|_| seconds > 0);
    moment.and_then(|moment| moment.format(&Rfc3339).ok()).into()
}

/// A text, null when there is none.
pub(crate) fn text(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}

/// The unified word for the kind of account.
pub(crate) fn user_type(person: &Person) -> &'static str {
    match person.guest() {
        _ if person.is_bot() => "bot",
        Some(Level::SingleChannelGuest) => "guest_single_channel",
        Some(_) => "guest_multi_channel",
        None => "member",
    }
}

/// The unified word for whether an account can sign in.
pub(crate) fn status(person: &Person) -> &'static str {
    match person.standing {
        Standing::Active => "active",
        Standing::Invited => "invited",
        Standing::Deactivated { .. } => "inactive",
    }
}

/// Every role that anybody holds: the levels of the organization, those of each workspace, and the
/// system roles.
pub(crate) fn assignments(org: &Organization) -> Vec<Held> {
    let here = org.people().iter().filter(|person| person.is_active() && !person.is_bot());
    let mut held: Vec<Held> = Vec::new();
    for person in here {
        if person.guest().is_none() {
            held.push(row(org_role(person.org_level), &person.id, &org.id));
        }
        for membership in &person.memberships {
            let team = org.workspaces.get(membership.workspace).map_or("", |team| &team.id);
            held.push(row(workspace_role(membership.level), &person.id, team));
        }
    }
    for (_, system) in org.roles.rows() {
        let user = org.person(system.user).map_or("", |person| &person.id);
        held.push(row(&system.role_id, user, &system.entity_id));
    }
    held.sort();
    held
}

fn row(role: &str, user: &str, entity: &str) -> Held {
    (role.to_owned(), user.to_owned(), entity.to_owned())
}

/// Our id of a level of the organization.
pub(crate) fn org_role(level: OrgLevel) -> &'static str {
    match level {
        OrgLevel::Member => "org:member",
        OrgLevel::Admin => "org:admin",
        OrgLevel::Owner => "org:owner",
        OrgLevel::PrimaryOwner => "org:primary_owner",
    }
}

/// Our id of a level of a workspace.
pub(crate) fn workspace_role(level: Level) -> &'static str {
    match level {
        Level::SingleChannelGuest => "ws:guest_single_channel",
        Level::MultiChannelGuest => "ws:guest_multi_channel",
        Level::Member => "ws:member",
        Level::Admin => "ws:admin",
        Level::Owner => "ws:owner",
        Level::PrimaryOwner => "ws:primary_owner",
    }
}
