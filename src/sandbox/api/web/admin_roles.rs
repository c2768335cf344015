//! `admin.roles.*`: assignments of system roles.

use serde_json::{Value, json};

use super::args::{Arg, ArgType, optional, required};
use super::error::WebApiError;
use super::method::{Method, MethodAccess, MethodCall, PageSizes, json_body, take_page};
use crate::sandbox::Tier;
use crate::sandbox::org::{Edit, EditError, GridOrganization, PersonIndex, SystemRoleAssignment};

const WRITE: MethodAccess = MethodAccess::Admin("admin.roles:write");
const CHANGE: &[Arg] = &[
    required("entity_ids", ArgType::List),
    required("role_id", ArgType::Text),
    required("user_ids", ArgType::List),
];

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "admin.roles.addAssignments",
        tier: Tier::Two,
        access: WRITE,
        args: CHANGE,
        run: |call| change(call, RoleOperation::Assign),
    },
    Method {
        name: "admin.roles.listAssignments",
        tier: Tier::Three,
        access: MethodAccess::Admin("admin.roles:read"),
        args: &[
            optional("cursor", ArgType::Text),
            optional("entity_ids", ArgType::List),
            optional("limit", ArgType::Count),
            optional("role_ids", ArgType::List),
            optional("sort_dir", ArgType::Text),
        ],
        run: list_assignments,
    },
    Method {
        name: "admin.roles.removeAssignments",
        tier: Tier::Two,
        access: WRITE,
        args: CHANGE,
        run: |call| change(call, RoleOperation::Remove),
    },
];

/// Whether roles are assigned or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RoleOperation {
    Assign,
    Remove,
}

/// Maximum number of users, and of entities, per call.
const MAX_ITEMS: usize = 10;

/// Assigns or removes a role for every valid user and entity. Invalid ones are returned with a
/// reason, under an error code, although the valid ones are applied.
fn change(call: &MethodCall<'_>, hand: RoleOperation) -> Result<Vec<u8>, WebApiError> {
    let role = call.args.text("role_id").unwrap_or_default();
    let users = call.args.list("user_ids");
    let entities = call.args.list("entity_ids");
    if users.len() > MAX_ITEMS {
        return Err(WebApiError::new("too_many_users"));
    }
    if entities.len() > MAX_ITEMS {
        return Err(WebApiError::new("too_many_entities"));
    }
    if !role.starts_with("Rl") {
        return Err(WebApiError::new("invalid_role_id"));
    }
    let rejected = call.change(|edit| {
        // Only owners can assign or remove the Role Admin.
        if role == ROLE_ADMIN && !edit.actor_is_owner() {
            return Err(WebApiError::new("cannot_modify_role_admin"));
        }
        let users = partition(&users, |id| check_holder(edit, id, hand));
        let entities =
            partition(&entities, |id| check_entity(edit, &role, id).map(|()| id.to_owned()));
        if users.valid.is_empty() {
            return Err(
                WebApiError::new("no_valid_users").with("rejected_users", users.rejected.into())
            );
        }
        if entities.valid.is_empty() {
            let rejected = entities.rejected.into();
            return Err(WebApiError::new("no_valid_entities").with("rejected_entities", rejected));
        }
        for user in users.valid {
            for entity in &entities.valid {
                match hand {
                    // The check above covers the possible errors.
                    RoleOperation::Assign => drop(edit.assign_role(user, &role, entity)),
                    RoleOperation::Remove => edit.remove_role(user, &role, entity),
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
    let mut refusal = WebApiError::new(error);
    if !rejected.0.is_empty() {
        refusal = refusal.with("rejected_users", rejected.0.into());
    }
    if !rejected.1.is_empty() {
        refusal = refusal.with("rejected_entities", rejected.1.into());
    }
    Err(refusal)
}

/// Valid ids, and invalid ones with the reason.
struct PartitionedIds<T> {
    valid: Vec<T>,
    rejected: Vec<Value>,
}

fn partition<T>(
    ids: &[String],
    check: impl Fn(&str) -> Result<T, &'static str>,
) -> PartitionedIds<T> {
    let mut sorted = PartitionedIds { valid: Vec::new(), rejected: Vec::new() };
    for id in ids {
        match check(id) {
            Ok(good) => sorted.valid.push(good),
            Err(error) => sorted.rejected.push(json!({"id": id, "error": error})),
        }
    }
    sorted
}

fn check_holder(
    org: &Edit<'_>,
    id: &str,
    hand: RoleOperation,
) -> Result<PersonIndex, &'static str> {
    let (index, _) = org.find(id).ok_or("user_not_found")?;
    if hand == RoleOperation::Remove {
        return Ok(index);
    }
    match org.check_role_eligibility(index) {
        Ok(()) => Ok(index),
        Err(EditError::Bot) => Err("user_is_bot"),
        Err(EditError::Deactivated) => Err("user_is_deactivated"),
        Err(_) => Err("user_is_restricted"),
    }
}

/// Checks whether a role can be assigned for an entity. Unlisted roles are custom roles.
fn check_entity(org: &GridOrganization, role: &str, id: &str) -> Result<(), &'static str> {
    let scopes = ROLES.iter().find(|(known, _)| *known == role).map_or(ANY_ENTITY, |(_, at)| *at);
    if id == org.id {
        return Ok(());
    }
    if org.workspace(id).is_some() {
        return if scopes == ORG_ONLY { Err(UNSUPPORTED_ENTITY) } else { Ok(()) };
    }
    let is_channel = org.channel(id).is_some();
    match (is_channel, scopes == ANY_ENTITY) {
        (true, true) => Ok(()),
        (true, false) => Err(UNSUPPORTED_ENTITY),
        (false, _) => Err("entity_not_found"),
    }
}

/// Slack's reason for an unsupported entity; its documentation shows no other.
const UNSUPPORTED_ENTITY: &str = "invalid_auth";

/// The Role Admin.
const ROLE_ADMIN: &str = "Rl02";

/// Entity types of roles, by the first letter of the entity id.
const ORG_ONLY: &str = "E";
const ORG_OR_TEAM: &str = "ET";
const ANY_ENTITY: &str = "ETC";

/// System roles and their entity types:
/// <https://docs.slack.dev/reference/methods/admin.roles.addAssignments>.
const ROLES: &[(&str, &str)] = &[
    ("Rl01", ORG_OR_TEAM),
    (ROLE_ADMIN, ORG_OR_TEAM),
    ("Rl03", ORG_OR_TEAM),
    ("Rl04", ORG_ONLY),
    ("Rl05", ORG_OR_TEAM),
    ("Rl09", ORG_ONLY),
    ("Rl0A", ANY_ENTITY),
    ("Rl0B", ORG_OR_TEAM),
    ("Rl0C", ORG_OR_TEAM),
    ("Rl0D", ORG_ONLY),
    ("Rl0E", ORG_ONLY),
    ("Rl0F", ORG_ONLY),
    ("Rl0G", ORG_ONLY),
    ("Rl0H", ORG_ONLY),
    ("Rl0J", ORG_ONLY),
    ("Rl0K", ORG_ONLY),
    ("Rl0L", ORG_OR_TEAM),
];

const SIZES: PageSizes = PageSizes { default: 200, max: 200, out_of_range_error: None };

fn list_assignments(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let window = call.window(SIZES)?;
    let roles = call.args.list("role_ids");
    if roles.iter().any(|role| !role.starts_with("Rl")) {
        return Err(WebApiError::new("invalid_role_id"));
    }
    let entities = call.args.list("entity_ids");
    let newest_first = match call.args.text("sort_dir").map(|word| word.to_ascii_uppercase()) {
        None => true,
        Some(word) if word == "DESC" => true,
        Some(word) if word == "ASC" => false,
        Some(_) => return Err(WebApiError::new("invalid_sort")),
    };
    let is_match = |row: &SystemRoleAssignment| {
        (roles.is_empty() || roles.contains(&row.role_id))
            && (entities.is_empty() || entities.contains(&row.entity_id))
    };
    call.sandbox.with_org(|org| {
        let rows = org.roles.rows().filter(|(_, row)| is_match(row));
        let (found, next) = if newest_first {
            // Positions descend here: a page continues below the previous one.
            let start = if window.start == 0 { u64::MAX } else { window.start };
            take_page(rows.rev().skip_while(|(number, _)| *number > start), window.limit)
        } else {
            take_page(rows.skip_while(|(number, _)| *number < window.start), window.limit)
        };
        let row = |row: &SystemRoleAssignment| {
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
