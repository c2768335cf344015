//! Completes objects of the copy with what other objects say of them: a user's roles, groups and workspaces, a group's
//! members, a workspace's number of members.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::domain::ids::IntegratedAccountId;
use crate::domain::sync::CopyKind;
use crate::store::{CopyRow, MadeBy, ReferenceRow, StoreError, TenantDb};

/// Estimated size of the fields added to a user, in bytes.
const ADDED_SIZE_ESTIMATE: usize = 512;

/// Returns the complete objects as JSON, in the order of the rows.
pub(super) async fn complete(
    db: &TenantDb,
    account_id: IntegratedAccountId,
    kind: CopyKind,
    rows: Vec<CopyRow>,
    as_of: Option<OffsetDateTime>,
) -> Result<Vec<(String, String)>, StoreError> {
    let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
    match kind {
        CopyKind::User => {
            let references = db.user_references(account_id, &ids, as_of).await?;
            let references = by_object(&references);
            let add = |row: CopyRow| {
                let of = references.get(row.id.as_str()).map(Vec::as_slice).unwrap_or_default();
                (row.id.clone(), user(row, of))
            };
            Ok(rows.into_iter().map(add).collect())
        }
        CopyKind::Group => {
            let members = db.group_references(account_id, &ids, as_of).await?;
            let members = by_object(&members);
            let add = |row: CopyRow| {
                let of = members.get(row.id.as_str()).map(Vec::as_slice).unwrap_or_default();
                let fields = format!(r#""member_count":{},"members":{}"#, of.len(), refs(of));
                (row.id.clone(), with_fields(row.body, &fields))
            };
            Ok(rows.into_iter().map(add).collect())
        }
        CopyKind::Workspace => {
            let summaries = db.workspace_summaries(account_id, &ids, as_of).await?;
            let counts: HashMap<String, i64> =
                summaries.into_iter().map(|(id, _, members)| (id, members)).collect();
            let add = |row: CopyRow| {
                let members = counts.get(&row.id).copied().unwrap_or_default();
                (row.id.clone(), with_fields(row.body, &format!(r#""member_count":{members}"#)))
            };
            Ok(rows.into_iter().map(add).collect())
        }
        CopyKind::RoleAssignment => {
            let mut places: Vec<String> =
                rows.iter().filter_map(|row| row.parent_id.clone()).collect();
            places.sort_unstable();
            places.dedup();
            let names = db.copied_workspace_names(account_id, Some(&places), as_of).await?;
            let names: HashMap<String, String> = names.into_iter().collect();
            Ok(rows.into_iter().map(|row| (row.id.clone(), assignment(row, &names))).collect())
        }
        CopyKind::WorkspaceMember | CopyKind::GroupMember => {
            Ok(rows.into_iter().map(|row| (row.id, row.body)).collect())
        }
    }
}

fn by_object(references: &[ReferenceRow]) -> HashMap<&str, Vec<&ReferenceRow>> {
    let mut grouped: HashMap<&str, Vec<&ReferenceRow>> = HashMap::new();
    for reference in references {
        grouped.entry(reference.of.as_str()).or_default().push(reference);
    }
    grouped
}

/// Adds fields to an object.
fn with_fields(mut body: String, fields: &str) -> String {
    let is_empty = body == "{}";
    body.pop();
    if !is_empty {
        body.push(',');
    }
    body.push_str(fields);
    body.push('}');
    body
}

/// A reference to an object, with its name.
#[derive(Serialize)]
struct Reference<'a> {
    id: &'a str,
    name: Option<&'a str>,
}

fn refs(references: &[&ReferenceRow]) -> String {
    let references: Vec<Reference<'_>> =
        references.iter().map(|one| Reference { id: &one.to, name: one.name.as_deref() }).collect();
    json(&references)
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

/// The fields of an assignment that a user's role has.
#[derive(Deserialize)]
struct AssignmentFields<'a> {
    #[serde(borrow)]
    role_id: &'a RawValue,
    #[serde(borrow)]
    role_name: &'a RawValue,
    #[serde(borrow)]
    scope: &'a RawValue,
    #[serde(borrow)]
    workspace_id: &'a RawValue,
    #[serde(borrow)]
    organization_id: &'a RawValue,
}

fn user(row: CopyRow, references: &[&ReferenceRow]) -> String {
    let of = |kind: CopyKind| -> Vec<&ReferenceRow> {
        references.iter().copied().filter(|one| one.kind == kind).collect()
    };
    let mut fields = String::with_capacity(ADDED_SIZE_ESTIMATE);
    fields.push_str(r#""roles":["#);
    let roles = references.iter().filter_map(|one| one.body.as_deref());
    let roles = roles.filter_map(|body| serde_json::from_str::<AssignmentFields<'_>>(body).ok());
    for (index, role) in roles.enumerate() {
        if index > 0 {
            fields.push(',');
        }
        // Writing to a string does not fail.
        let _ = write!(
            fields,
            r#"{{"id":{},"name":{},"scope":{},"workspace_id":{},"organization":{}}}"#,
            role.role_id, role.role_name, role.scope, role.workspace_id, role.organization_id
        );
    }
    let _ = write!(
        fields,
        r#"],"groups":{},"workspaces":{},"last_activity_at":{}"#,
        refs(&of(CopyKind::GroupMember)),
        refs(&of(CopyKind::WorkspaceMember)),
        json(&StoredTime(row.last_activity_at)),
    );
    with_fields(row.body, &fields)
}

/// A time as in the API.
#[derive(Serialize)]
struct StoredTime(#[serde(with = "time::serde::rfc3339::option")] Option<OffsetDateTime>);

fn assignment(row: CopyRow, names: &HashMap<String, String>) -> String {
    #[derive(Deserialize)]
    struct Place {
        workspace_id: Option<String>,
    }
    let place: Option<Place> = serde_json::from_str(&row.body).ok();
    let workspace: Vec<Reference<'_>> = place
        .iter()
        .filter_map(|place| place.workspace_id.as_deref())
        .map(|id| Reference { id, name: names.get(id).map(String::as_str) })
        .collect();
    with_fields(attributed(row.body, &row.made), &format!(r#""workspace":{}"#, json(&workspace)))
}

/// Sets who assigned a role and when, if it is known.
fn attributed(body: String, made: &MadeBy) -> String {
    let Some(actor) = &made.actor else { return body };
    let Ok(mut fields) = serde_json::from_str::<Map<String, Value>>(&body) else { return body };
    fields.insert("granted_by".to_owned(), actor.id.clone().into());
    if fields.get("created_at").is_none_or(Value::is_null) {
        let at = serde_json::to_value(StoredTime(made.at)).unwrap_or_default();
        fields.insert("created_at".to_owned(), at);
    }
    Value::Object(fields).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_fields_to_objects() {
        for (body, expected) in [
            (r#"{"a":1}"#, r#"{"a":1,"b":2}"#),
            (r#"{"a":{"c":{}}}"#, r#"{"a":{"c":{}},"b":2}"#),
            ("{}", r#"{"b":2}"#),
        ] {
            assert_eq!(with_fields(body.to_owned(), r#""b":2"#), expected);
        }
    }
}
