//! Converts resources between our fields and Truto's. Fields without an equivalent are left as they are.

use serde_json::{Map, Value, json};

/// Converts one of our resources to Truto's fields.
pub(super) fn to_truto(resource: &str, mut item: Value) -> Value {
    if let Some(fields) = item.as_object_mut() {
        match resource {
            "users" => user_to_truto(fields),
            "workspaces" => {
                fields.insert("status".to_owned(), "active".into());
            }
            "roles" => {
                fields.insert("license".to_owned(), Value::Null);
            }
            _ => {}
        }
    }
    item
}

fn user_to_truto(fields: &mut Map<String, Value>) {
    let organization = fields.get("organization").filter(|name| !name.is_null());
    let organizations = organization.map(|name| json!({"id": null, "name": name}));
    let avatar = fields.get("photos").and_then(|photos| photos.get(0)?.get("url")).cloned();
    let languages = fields.get("locale").filter(|locale| !locale.is_null()).cloned();
    for role in fields.get_mut("roles").and_then(Value::as_array_mut).into_iter().flatten() {
        let workspace = role.get("workspace_id").filter(|id| !id.is_null());
        let workspace = workspace.map(|id| json!({"id": id, "name": null}));
        if let Some(role) = role.as_object_mut() {
            role.insert("workspace".to_owned(), workspace.unwrap_or_default());
            role.insert("group".to_owned(), Value::Null);
        }
    }
    let more = [
        ("type", fields.get("user_type").cloned().unwrap_or_default()),
        ("organizations", organizations.into_iter().collect()),
        ("licenses", json!([])),
        ("avatar", avatar.unwrap_or_default()),
        ("languages", languages.into_iter().collect()),
        ("bio", Value::Null),
        ("last_active_at", fields.get("last_activity_at").cloned().unwrap_or_default()),
        ("last_login_at", Value::Null),
    ];
    fields.extend(more.map(|(name, value)| (name.to_owned(), value)));
}

/// Converts a Truto request body to ours. Equal or unknown fields are left as they are.
pub(super) fn from_truto(resource: &str, mut request: Value) -> Value {
    let Some(fields) = request.as_object_mut() else { return request };
    if resource == "users" {
        rename(fields, "type", "user_type");
        if let Some(url) = fields.remove("avatar").filter(|url| !url.is_null()) {
            fields.insert("photos".to_owned(), json!([{ "url": url }]));
        }
        if let Some(all) = fields.remove("organizations") {
            let name = all.get(0).and_then(|one| one.get("name")).cloned();
            fields.insert("organization".to_owned(), name.unwrap_or_default());
        }
        retain_fields(fields, "phones", &["number", "type"]);
        retain_fields(fields, "emails", &["email", "type", "is_primary"]);
        retain_fields(fields, "workspaces", &["id", "channel_ids"]);
    }
    for role in fields.get_mut("roles").and_then(Value::as_array_mut).into_iter().flatten() {
        let workspace_id = role.pointer("/workspace/id").cloned();
        if let (Some(role), Some(workspace_id)) = (role.as_object_mut(), workspace_id) {
            role.entry("workspace_id").or_insert(workspace_id);
        }
    }
    retain_fields(fields, "roles", &["id", "workspace_id", "channel_id"]);
    request
}

fn rename(fields: &mut Map<String, Value>, theirs: &str, ours: &str) {
    if let Some(value) = fields.remove(theirs) {
        fields.insert(ours.to_owned(), value);
    }
}

/// Removes the read-only fields from each entry of a list.
fn retain_fields(fields: &mut Map<String, Value>, list: &str, names: &[&str]) {
    for entry in fields.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(entry) = entry.as_object_mut() {
            entry.retain(|name, _| names.contains(&name.as_str()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_a_user_to_truto_fields() {
        let user = to_truto(
            "users",
            json!({"id": "U1", "user_type": "member", "organization": "Acme", "locale": "en-US",
                "photos": [{"url": "https://p/1"}], "last_activity_at": "2026-01-01T00:00:00Z",
                "roles": [{"id": "ws:admin", "workspace_id": "T1"}]}),
        );
        assert_eq!(user["type"], "member");
        assert_eq!(user["organizations"], json!([{"id": null, "name": "Acme"}]));
        assert_eq!(
            (&user["avatar"], &user["languages"]),
            (&json!("https://p/1"), &json!(["en-US"]))
        );
        assert_eq!(user["roles"][0]["workspace"], json!({"id": "T1", "name": null}));
    }

    #[test]
    fn removes_only_read_only_fields() {
        let request = json!({"first_name": "A", "type": "member", "unknown": 1,
            "phones": [{"number": "1", "extension": "2", "type": "work"}],
            "roles": [{"id": "R", "name": "x", "workspace": {"id": "T1"}}],
            "workspaces": [{"id": "T1", "name": "y"}]});
        assert_eq!(
            from_truto("users", request),
            json!({"first_name": "A", "user_type": "member", "unknown": 1,
                "phones": [{"number": "1", "type": "work"}],
                "roles": [{"id": "R", "workspace_id": "T1"}],
                "workspaces": [{"id": "T1"}]})
        );
    }
}
