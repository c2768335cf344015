//! Changes of roles at a SCIM server: values of `roles` and `entitlements`, and groups that are roles.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::writes::{MODES, id, linked, outcomes, set, stored, writes};
use crate::support::scim_server::{ScimOptions, ScimServer, attribute, open_app};

/// Returns the values of an attribute of a user as stored.
fn values(server: &ScimServer, user: &str, name: &str) -> anyhow::Result<Vec<String>> {
    let user = stored(server, user)?;
    let all = user.get(name).and_then(Value::as_array).into_iter().flatten();
    Ok(all.filter_map(|one| Some(one["value"].as_str()?.to_owned())).collect())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn roles_are_assigned_and_removed_at_every_kind_of_server(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    for (mode, options) in MODES {
        let (server, api) = linked(&app, mode, options()).await?;
        set(&app, mode, &json!({"roles_from": ["roles", "entitlements", "groups"]})).await?;
        let group = server.add_group(json!({"displayName": "Auditors"}));
        let user = server.add_user(json!({"userName": "ada", "active": true,
            "roles": [{"value": "editor", "type": "app"}]}));
        let assign = json!({"user_id": user, "role_id": "roles:admin"});
        let assigned = api.post("role-assignments", &assign).await?.created()?;
        assert_eq!(outcomes(&assigned), ["applied"], "{mode}");
        assert_eq!(assigned["result"]["role_id"], "roles:admin", "{mode}: {assigned}");
        assert_eq!(values(&server, &user, "roles")?, ["editor", "admin"], "{mode}");
        let assignment = format!("role-assignments/{}", id(&assigned)?);
        let before = writes(&server);
        let again = api.post("role-assignments", &assign).await?;
        assert_eq!(outcomes(&again.body), ["unchanged"], "{mode}: {}", again.text);
        assert_eq!(writes(&server), before, "{mode}");

        let several = json!({"user_id": user, "roles": [{"id": "roles:admin"},
            {"id": "entitlements:license"}, {"id": format!("groups:{group}")}, {"id": "roles:x.y z"}]});
        let assigned = api.post("users/assign_role", &several).await?.success()?;
        let expected = ["unchanged", "applied", "applied", "applied"];
        assert_eq!(outcomes(&assigned), expected, "{mode}: {assigned}");
        assert_eq!(values(&server, &user, "roles")?, ["editor", "admin", "x.y z"], "{mode}");
        assert_eq!(values(&server, &user, "entitlements")?, ["license"], "{mode}");
        let members = server.group(&group).context("no group")?["members"].clone();
        assert_eq!(members, json!([{ "value": user }]), "{mode}");

        let removed = api.delete(&assignment).await?.success()?;
        assert_eq!(removed["result"]["outcome"], "applied", "{mode}");
        let again = api.delete(&assignment).await?.success()?;
        assert_eq!(again["result"]["outcome"], "unchanged", "{mode}");
        let removed = api.post("users/remove_role", &several).await?.success()?;
        assert_eq!(outcomes(&removed), expected, "{mode}: {removed}");
        assert_eq!(stored(&server, &user)?["roles"], json!([{"value": "editor", "type": "app"}]));
        assert_eq!(stored(&server, &user)?.get("entitlements"), None, "{mode}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_roles_that_can_not_be_assigned_before_anything_is_sent(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let (server, api) = linked(&app, "acme", ScimOptions::default()).await?;
    let user = server.add_user(json!({"userName": "ada"}));
    for (role, pointer, pointer_of_new) in [
        (json!({"role_id": "admin"}), "/role_id", "/roles/0"),
        (json!({"role_id": "roles:"}), "/role_id", "/roles/0"),
        (json!({"role_id": "groups:g-1"}), "/role_id", "/roles/0"),
        (
            json!({"role_id": "roles:admin", "workspace_id": "g-1"}),
            "/workspace_id",
            "/roles/0/workspace_id",
        ),
        (
            json!({"role_id": "roles:admin", "channel_id": "C1"}),
            "/channel_id",
            "/roles/0/channel_id",
        ),
    ] {
        let mut body = json!({ "user_id": user });
        if let (Some(body), Value::Object(role)) = (body.as_object_mut(), role) {
            body.extend(role);
        }
        let rejected = api.post("role-assignments", &body).await?;
        rejected.problem(422, "role_not_assignable");
        assert_eq!(rejected.pointers(), [pointer], "{body}");
        let new = json!({"email": "eve@example.com", "roles": [{"id": body["role_id"],
            "workspace_id": body["workspace_id"], "channel_id": body["channel_id"]}]});
        let rejected = api.post("users", &new).await?;
        rejected.problem(422, "invalid_body");
        assert_eq!(rejected.pointers(), [pointer_of_new], "{body}");
    }
    set(&app, "acme", &json!({"roles_from": []})).await?;
    let body = json!({"user_id": user, "role_id": "roles:admin"});
    api.post("role-assignments", &body).await?.problem(501, "unsupported_by_provider");
    assert_eq!(writes(&server), 0);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn roles_without_a_text_value_are_kept_and_removed(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    for (mode, options) in MODES {
        let (server, api) = linked(&app, mode, options()).await?;
        let roles =
            json!([{"value": 7}, {"display": "Auditor"}, {"value": "", "display": "Chief"}]);
        let user = server.add_user(json!({"userName": "ada", "active": true, "roles": roles}));
        let path = format!("users/{user}");
        api.patch(&path, &json!({"title": "Countess"})).await?.success()?;
        let list = format!("role-assignments?user[id]={user}");
        let (held, _) = api.all(&format!("{list}&limit=50")).await?;
        assert_eq!(held.len(), 3, "{mode}: {held:?}");
        for (left, assignment) in held.iter().enumerate().rev() {
            let assignment = assignment["id"].as_str().context("no id")?;
            let removed = api.delete(&format!("role-assignments/{assignment}")).await?.success()?;
            assert_eq!(removed["result"]["outcome"], "applied", "{mode}: {assignment}");
            assert_eq!(api.all(&format!("{list}&limit=50")).await?.0.len(), left, "{mode}");
        }
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_role_that_the_schema_does_not_suggest_is_removed(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let mut value = attribute("value", "string", "readWrite", &[]);
    value["canonicalValues"] = json!(["admin", "editor"]);
    let mut options = ScimOptions::default();
    for known in options.schemas.iter_mut().filter_map(|schema| schema["attributes"].as_array_mut())
    {
        for roles in known.iter_mut().filter(|known| known["name"] == "roles") {
            roles["subAttributes"] = json!([value]);
        }
    }
    let (server, api) = linked(&app, "acme", options).await?;
    let user = server.add_user(json!({"userName": "ada", "roles": [{"value": "legacy"}]}));
    let body = json!({"user_id": user, "role_id": "roles:unknown"});
    api.post("role-assignments", &body).await?.problem(422, "role_not_assignable");
    let (held, _) = api.all(&format!("role-assignments?limit=50&user[id]={user}")).await?;
    let legacy = held.first().and_then(|one| one["id"].as_str()).context("no assignment")?;
    let removed = api.delete(&format!("role-assignments/{legacy}")).await?.success()?;
    assert_eq!(removed["result"]["outcome"], "applied");
    assert_eq!(stored(&server, &user)?.get("roles"), None);
    Ok(())
}
