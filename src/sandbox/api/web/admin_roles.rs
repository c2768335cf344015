//! `admin.roles.*`: who holds which system role.

use serde_json::{Value, json};

use super::args::{Form, optional};
use super::json_body;
use super::method::{Access, Call, Method, Sizes, page};
use super::refusal::Refusal;
use crate::sandbox::Tier;
use crate::sandbox::org::RoleAssignment;

pub(super) const METHODS: &[Method] = &[Method {
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
}];

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
