//! What can't be written at a SCIM server is rejected before anything is sent: what SCIM lacks, and what the server's
//! schema does not let be written.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::writes::{linked, stored, writes};
use crate::support::scim_server::{
    ENTERPRISE, ScimOptions, attribute, json_response, open_app, schema,
};

/// Returns options with these user attributes only, `userName` and `emails` besides.
pub(crate) fn schema_of(attributes: &[Value]) -> ScimOptions {
    let text = |name: &str| attribute(name, "string", "readWrite", &[]);
    let own = [text("userName"), attribute("emails", "complex", "readWrite", &[])];
    let all = [own.as_slice(), attributes].concat();
    let user = schema("urn:ietf:params:scim:schemas:core:2.0:User", &all);
    let group = schema("urn:ietf:params:scim:schemas:core:2.0:Group", &[text("displayName")]);
    ScimOptions { schemas: vec![user, group], is_strict: true, ..ScimOptions::default() }
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn writes_only_what_the_schema_lets_be_written(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let read_only = attribute("title", "string", "readOnly", &[]);
    let name = attribute("displayName", "string", "readWrite", &[]);
    let active = attribute("active", "boolean", "readOnly", &[]);
    let options = schema_of(&[read_only, name, active]);
    let (server, api) = linked(&app, "acme", options).await?;
    let user = server.add_user(json!({"userName": "ada"}));
    let path = format!("users/{user}");
    for (body, pointer) in [
        (json!({"title": "x"}), "/title"),
        (json!({"department": "x"}), "/department"),
        (json!({"first_name": "x"}), "/first_name"),
        (json!({"phones": []}), "/phones"),
        (json!({"status": "inactive"}), "/status"),
        (json!({"manager": {"id": "1"}}), "/manager"),
        (json!({"external_id": "x"}), "/external_id"),
        (json!({"username": null}), "/username"),
        (json!({"expires_at": "2031-01-01T00:00:00Z"}), "/expires_at"),
        (json!({"user_type": "guest_multi_channel"}), "/user_type"),
        (json!({"custom_fields": {"a/b": 1}}), "/custom_fields/a~1b"),
    ] {
        let rejected = api.patch(&path, &body).await?;
        rejected.problem(422, "invalid_body");
        assert_eq!(rejected.pointers(), [pointer], "{body}");
    }
    for (body, pointer) in [
        (json!({"email": "a@b.c", "invite": true, "workspaces": [{"id": "1"}]}), "/invite"),
        (json!({"email": "a@b.c", "workspaces": [{"id": "1"}]}), "/workspaces"),
        (json!({"email": "a@b.c", "title": "x"}), "/title"),
    ] {
        let rejected = api.post("users", &body).await?;
        rejected.problem(422, "invalid_body");
        assert!(rejected.pointers().contains(&pointer), "{body}: {}", rejected.text);
    }
    // Rules about a field that SCIM does not have are not applied: they would contradict its rejection.
    let expiry = "2031-01-01T00:00:00Z";
    for (body, pointers) in [
        (json!({"email": "a@b.c", "user_type": "guest_single_channel"}), vec!["/user_type"]),
        (
            json!({"email": "a@b.c", "user_type": "guest_multi_channel", "expires_at": expiry}),
            vec!["/expires_at", "/user_type"],
        ),
        (json!({"email": "a@b.c", "user_type": "bot"}), vec!["/user_type"]),
        (json!({"email": "a@b.c", "expires_at": expiry}), vec!["/expires_at"]),
        (json!({"email": "a@b.c", "invite": true}), vec!["/invite"]),
    ] {
        let rejected = api.post("users", &body).await?;
        rejected.problem(422, "invalid_body");
        assert_eq!(rejected.pointers(), pointers, "{body}");
    }
    let linked = api.post("groups", &json!({"name": "x", "add_workspace_ids": ["1"]})).await?;
    linked.problem(422, "invalid_body");
    assert_eq!(linked.pointers(), ["/add_workspace_ids"]);
    let signed_out = format!("{path}?sign_out=true");
    for (path, alternative) in [(&path, "delete_user"), (&signed_out, "sign_out")] {
        let rejected = api.delete(path).await?;
        let problem = rejected.problem(501, "unsupported_by_provider");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(alternative), "{path}: {detail}");
    }
    let workspace = api.post("workspaces", &json!({"name": "x"})).await?;
    workspace.problem(501, "unsupported_by_provider");
    assert_eq!(writes(&server), 0);
    // What is left is written: a whole name into the only attribute for it.
    api.patch(&path, &json!({"name": "Ada King", "email": "a@b.c"})).await?.success()?;
    let expected = json!({"userName": "ada", "displayName": "Ada King",
        "emails": [{"value": "a@b.c", "type": "work", "primary": true}]});
    assert_eq!(stored(&server, &user)?, expected);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_manager_is_written_in_the_form_of_the_schema(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let id_of = attribute("managerId", "string", "readWrite", &[]);
    let mut options = schema_of(&[]);
    let manager = attribute("manager", "complex", "readWrite", &[id_of]);
    let department = attribute("department", "string", "readWrite", &[]);
    options.schemas.push(schema(ENTERPRISE, &[manager, department]));
    let (server, api) = linked(&app, "acme", options).await?;
    let user = server.add_user(json!({"userName": "ada"}));
    api.patch(&format!("users/{user}"), &json!({"manager": {"id": "u-9"}})).await?.success()?;
    let expected = json!({"manager": {"managerId": "u-9"}});
    assert_eq!(stored(&server, &user)?[ENTERPRISE], expected);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn operations_of_the_caller_are_sent_unchanged(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let (server, api) = linked(&app, "acme", ScimOptions::default()).await?;
    let user = server.add_user(json!({"userName": "ada"}));
    let path = format!("users/{user}");
    let operation =
        json!({"op": "add", "path": "ims", "value": [{"value": "ada", "type": "xmpp"}]});
    let body = json!({"title": "Countess", "remote_data": {"Operations": [operation]}});
    api.patch(&path, &body).await?.success()?;
    let requests = server.requests();
    let sent = requests.iter().find(|request| request.method.as_str() == "PATCH");
    let expected = json!([{"op": "add", "path": "title", "value": "Countess"}, operation]);
    assert_eq!(sent.context("no PATCH")?.body["Operations"], expected);
    let options = ScimOptions { patch: false, ..ScimOptions::default() };
    let (put, put_api) = linked(&app, "put", options).await?;
    let user = put.add_user(json!({"userName": "ada"}));
    let rejected = put_api.patch(&format!("users/{user}"), &body).await?;
    rejected.problem(422, "invalid_body");
    assert_eq!(rejected.pointers(), ["/remote_data/Operations"]);
    // Without another form, the server's error is passed on.
    server.hook(|request| {
        let is_patch = request.method.as_str() == "PATCH";
        is_patch.then(|| json_response(400, &json!({"scimType": "invalidPath"})))
    });
    api.patch(&path, &body).await?.problem(422, "provider_invalid_argument");
    Ok(())
}
