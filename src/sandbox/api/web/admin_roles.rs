//! `admin.roles.*`: who holds which system role.

use serde_json::{Value, json};

use super::args::{Arg, Form, optional, required};
use super::method::{Access, Call, Method, Sizes, json_body, page};
use super::refusal::Refusal;
use crate::sandbox::Tier;
use crate::sandbox::org::{Edit, Organization, PersonIndex, RoleAssignment, Rule};

const WRITE: Access = Access::Admin("admin.roles:write");
const CHANGE: &[Arg] = &[
    required("entity_ids", Form::List),
    required("role_id", Form::Text),
    required("user_ids", Form::List),
];

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "admin.roles.addAssignments",
        tier: Tier::Two,
        access: WRITE,
        args: CHANGE,
        run: |call| change(call, Hand::Gives),
    },
    Method {
        name: "admin.roles.listAssignments",
        tier: Tier::Three,
        access: Access::Admin("admin.roles:read"),
        args: &[
            optional("cursor", Form::Text),
            optional("entity_ids", Form::List),
            optional("limit", Form::Count),
            optional("role_ids", Form::List),
            optional("sort_dir", Form::Text),
        ],
        run: list_assignments,
    },
    Method {
        name: "admin.roles.removeAssignments",
        tier: Tier::Two,
        access: WRITE,
        args: CHANGE,
        run: |call| change(call, Hand::Takes),
    },
];

/// Whether roles are given or taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hand {
    Gives,
    Takes,
}

/// No more users, and no more entities, in one call.
const MOST: usize = 10;

/// Gives or takes a role: every valid user at every valid entity. The others are named with the
/// reason, under an error code, although the valid ones are done.
fn change(call: &Call<'_>, hand: Hand) -> Result<Vec<u8>, Refusal> {
    let role = call.args.text("role_id").unwrap_or_default();
    let users = call.args.list("user_ids");
    let entities = call.args.list("entity_ids");
    if users.len() > MOST {
        return Err(Refusal::new("too_many_users"));
    }
    if entities.len() > MOST {
        return Err(Refusal::new("too_many_entities"));
    }
    if !role.starts_with("Rl") {
        return Err(Refusal::new("invalid_role_id"));
    }
    let rejected = call.change(|edit| {
        // Who may hand out roles is for the owners to say.
        if role == ROLE_ADMIN && !edit.actor_owns() {
            return Err(Refusal::new("cannot_modify_role_admin"));
        }
        let users = sort(&users, |id| holder(edit, id, hand));
        let entities = sort(&entities, |id| place(edit, &role, id).map(|()| id.to_owned()));
        if users.good.is_empty() {
            return Err(
                Refusal::new("no_valid_users").with("rejected_users", users.rejected.into())
            );
        }
        if entities.good.is_empty() {
            let rejected = entities.rejected.into();
            return Err(Refusal::new("no_valid_entities").with("rejected_entities", rejected));
        }
        for user in users.good {
            for entity in &entities.good {
                match hand {
                    // Whether they may hold it was asked before.
                    Hand::Gives => drop(edit.give_role(user, &role, entity)),
                    Hand::Takes => edit.take_role(user, &role, entity),
                }
            }
        }
        Ok((users.rejected, entities.rejected))
    })?;
    let error = match (rejected.0.is_empty(), rejected.1.is_empty()) {
        (true, true) => return json_body(&json!({"ok": true})),
        (false, true) => "failed_for_some_users",
        (true, false) => "failed_for_some_entities",
        (false, false) => "failed_for_some_users_and_entities",
    };
    let mut refusal = Refusal::new(error);
    if !rejected.0.is_empty() {
        refusal = refusal.with("rejected_users", rejected.0.into());
    }
    if !rejected.1.is_empty() {
        refusal = refusal.with("rejected_entities", rejected.1.into());
    }
    Err(refusal)
}

/// Ids that will do, and those that will not with the reason.
struct Sorted<T> {
    good: Vec<T>,
    rejected: Vec<Value>,
}

fn sort<T>(ids: &[String], check: impl Fn(&str) -> Result<T, &'static str>) -> Sorted<T> {
    let mut sorted = Sorted { good: Vec::new(), rejected: Vec::new() };
    for id in ids {
        match check(id) {
            Ok(good) => sorted.good.push(good),
            Err(error) => sorted.rejected.push(json!({"id": id, "error": error})),
        }
    }
    sorted
}

fn holder(org: &Edit<'_>, id: &str, hand: Hand) -> Result<PersonIndex, &'static str> {
    let (index, _) = org.find(id).ok_or("user_not_found")?;
    if hand == Hand::Takes {
        return Ok(index);
    }
    match org.can_hold_roles(index) {
        Ok(()) => Ok(index),
        Err(Rule::Bot) => Err("user_is_bot"),
        Err(Rule::Deactivated) => Err("user_is_deactivated"),
        Err(_) => Err("user_is_restricted"),
    }
}

/// Whether a role can be held at an entity. A role that is not in the table is a custom one.
fn place(org: &Organization, role: &str, id: &str) -> Result<(), &'static str> {
    let scopes = ROLES.iter().find(|(known, _)| *known == role).map_or(EVERYWHERE, |(_, at)| *at);
    if id == org.id {
        return Ok(());
    }
    if org.workspace(id).is_some() {
        return if scopes == ORG_ONLY { Err(OUT_OF_REACH) } else { Ok(()) };
    }
    let is_channel = org.channel(id).is_some();
    match (is_channel, scopes == EVERYWHERE) {
        (true, true) => Ok(()),
        (true, false) => Err(OUT_OF_REACH),
        (false, _) => Err("entity_not_found"),
    }
}

/// Slack's reason for an entity that a role does not reach to; its page shows no other.
const OUT_OF_REACH: &str = "invalid_auth";

/// The role of those who give roles.
const ROLE_ADMIN: &str = "Rl02";

/// How far a role reaches.
const ORG_ONLY: &str = "E";
const TEAM: &str = "ET";
const EVERYWHERE: &str = "ETC";

/// The system roles and where they can be held:
/// <https://docs.slack.dev/reference/methods/admin.roles.addAssignments>.
const ROLES: &[(&str, &str)] = &[
    ("Rl01", TEAM),
    (ROLE_ADMIN, TEAM),
    ("Rl03", TEAM),
    ("Rl04", ORG_ONLY),
    ("Rl05", TEAM),
    ("Rl09", ORG_ONLY),
    ("Rl0A", EVERYWHERE),
    ("Rl0B", TEAM),
    ("Rl0C", TEAM),
    ("Rl0D", ORG_ONLY),
    ("Rl0E", ORG_ONLY),
    ("Rl0F", ORG_ONLY),
    ("Rl0G", ORG_ONLY),
    ("Rl0H", ORG_ONLY),
    ("Rl0J", ORG_ONLY),
    ("Rl0K", ORG_ONLY),
    ("Rl0L", TEAM),
];

const SIZES: Sizes = Sizes { default: 200, most: 200, refuse: None };

fn list_assignments(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let window = call.window(SIZES)?;
    let roles = call.args.list("role_ids");
    if roles.iter().any(|role| !role.starts_with("Rl")) {
        return Err(Refusal::new("invalid_role_id"));
    }
    let entities = call.args.list("entity_ids");
    let newest_first = match call.args.text("sort_dir").map(|word| word.to_ascii_uppercase()) {
        None => true,
        Some(word) if word == "DESC" => true,
        Some(word) if word == "ASC" => false,
        Some(_) => return Err(Refusal::new("invalid_sort")),
    };
    let wanted = |row: &RoleAssignment| {
        (roles.is_empty() || roles.contains(&row.role_id))
            && (entities.is_empty() || entities.contains(&row.entity_id))
    };
    call.sandbox.with_org(|org| {
        let rows = org.roles.rows().filter(|(_, row)| wanted(row));
        let (found, next) = if newest_first {
            // Positions run downwards here: a page goes on below the one before.
            let start = if window.start == 0 { u64::MAX } else { window.start };
            page(rows.rev().skip_while(|(number, _)| *number > start), window.limit)
        } else {
            page(rows.skip_while(|(number, _)| *number < window.start), window.limit)
        };
        let row = |row: &RoleAssignment| {
            json!({
                "role_id": row.role_id,
                "entity_id": row.entity_id,
                "user_id": org.person(row.user).map(|person| &person.id),
                "date_create": row.created,
            })
        };
        let rows: Vec<Value> = found.into_iter().map(row).collect();
        json_body(&json!({
            "ok": true,
            "role_assignments": rows,
            "response_metadata": {"next_cursor": call.next_cursor(next)},
        }))
    })
}
