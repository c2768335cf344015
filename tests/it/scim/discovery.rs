//! Discovery: what a server announces is read at the link and daily, and restricts what works for the account.

#![expect(clippy::indexing_slicing, reason = "a field that a JSON value does not have is null")]

use std::time::Duration as Wait;

use anyhow::Context as _;
use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::connectors::general_capabilities;
use switchboard::domain::capabilities::{Capabilities, ResourceKind, ResourceMethod};
use time::Duration;

use crate::support::TestApp;
use crate::support::scim_server::{
    ENTERPRISE, ScimOptions, ScimServer, attribute, open_app, schema,
};

/// Headers of a response.
type Headers = &'static [(&'static str, &'static str)];

const HTML: Headers = &[("content-type", "text/html")];
const JSON: Headers = &[("content-type", "application/json")];
/// The three paths that announce features.
const PATHS: [&str; 3] = ["ServiceProviderConfig", "ResourceTypes", "Schemas"];

/// Returns what works for an account of the first environment.
async fn capabilities(app: &TestApp, account: &str) -> anyhow::Result<Capabilities> {
    let db = app.state.store.tenant(app.home.environment_id);
    let account = db.account(account.parse()?).await?.context("no account")?;
    let connector = app.state.registry.connector(account.provider);
    Ok(connector.discovery().context("no discovery")?.describe(&account))
}

/// Returns whether a method works, with the reason and the alternative if it does not.
fn method(
    all: &Capabilities,
    resource: ResourceKind,
    method: ResourceMethod,
) -> (bool, Option<&str>, Option<&str>) {
    let resource = all.resources.iter().find(|known| known.resource == resource);
    let methods = resource.map(|resource| resource.methods.as_slice()).unwrap_or_default();
    let method = methods.iter().find(|known| known.method == method);
    method.map_or((false, Some("no such method"), None), |method| {
        (method.is_supported, method.reason.as_deref(), method.alternative.as_deref())
    })
}

/// Returns whether a field of users is readable and writable.
fn user_field(all: &Capabilities, name: &str) -> Option<(bool, bool)> {
    let users = all.resources.iter().find(|known| known.resource == ResourceKind::Users)?;
    let field = users.fields.iter().find(|field| field.name == name)?;
    Some((field.is_readable, field.is_writable))
}

async fn status(app: &TestApp, account: &str) -> anyhow::Result<Value> {
    let account = app.home.api.get(&format!("integrated-accounts/{account}")).await?.success()?;
    Ok(account["result"]["status"].clone())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reads_what_a_server_announces_at_the_link(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let options = ScimOptions { etag: true, filter_max: 50, ..ScimOptions::default() };
    let server = ScimServer::start(options).await?;
    let account = server.link(&app, "acme").await?;
    for path in PATHS.into_iter().chain(["Me"]) {
        assert_eq!(server.calls("GET", path), 1, "{path}");
    }
    let all = capabilities(&app, &account).await?;
    let expected = json!({"announced": true, "patch": true, "filter": true, "filter_max_results": 50,
        "bulk": false, "sort": false, "etag": true, "me": false});
    assert_eq!(serde_json::to_value(&all.features)?, expected);
    assert_eq!(user_field(&all, "department"), Some((true, true)));
    assert_eq!(user_field(&all, "groups"), Some((true, false)), "it is read-only");
    assert_eq!(user_field(&all, "is_2fa_enabled"), Some((false, false)), "SCIM lacks it");
    let (works, reason, alternative) = method(&all, ResourceKind::Me, ResourceMethod::Get);
    assert!(!works && reason.is_some() && alternative.is_some());
    // The calls are in the audit log.
    let path = "audit-log?action=directory.discovered&kind=use";
    let mut rows = Vec::new();
    for _ in 0..100 {
        let page = app.home.admin.get(path).await?.success()?;
        rows = page["result"].as_array().context("no rows")?.clone();
        if rows.len() == 4 {
            break;
        }
        tokio::time::sleep(Wait::from_millis(100)).await;
    }
    assert_eq!(rows.len(), 4, "{rows:?}");
    assert!(rows.iter().all(|row| row["actor"] == "discovery"), "{rows:?}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_restricted_schema_restricts_what_works(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let user = "urn:ietf:params:scim:schemas:core:2.0:User";
    let attributes = [
        attribute("userName", "string", "readWrite", &[]),
        attribute("title", "string", "readOnly", &[]),
    ];
    let options = ScimOptions {
        schemas: vec![schema(user, &attributes)],
        groups: false,
        patch: false,
        me: Some("u-1".to_owned()),
        ..ScimOptions::default()
    };
    let server = ScimServer::start(options).await?;
    server.add_users(1);
    let account = server.link(&app, "acme").await?;
    let all = capabilities(&app, &account).await?;
    assert_eq!(all.features.get("patch"), Some(&json!(false)));
    assert_eq!(all.features.get("me"), Some(&json!(true)));
    assert_eq!(user_field(&all, "username"), Some((true, true)));
    assert_eq!(user_field(&all, "title"), Some((true, false)));
    assert_eq!(user_field(&all, "department"), Some((false, false)));
    for kind in [ResourceKind::Groups, ResourceKind::GroupMembers] {
        let (works, reason, _) = method(&all, kind, ResourceMethod::List);
        assert!(!works && reason.is_some_and(|reason| reason.contains("no groups")), "{reason:?}");
    }
    let (works, _, alternative) = method(&all, ResourceKind::Users, ResourceMethod::Delete);
    assert!(!works, "there is no `active`");
    assert!(alternative.is_some_and(|text| text.contains("delete_user")), "{alternative:?}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn each_part_may_be_missing_or_malformed(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let rows: [(u16, Headers, &str); 9] = [
        (404, JSON, r#"{"status":"404"}"#),
        (401, JSON, r#"{"status":"401"}"#),
        (403, JSON, ""),
        (200, HTML, "<html>Sign in</html>"),
        (302, &[("location", "https://elsewhere.test/")], ""),
        (200, JSON, r#"{"patch":7,"Resources":"none","filter":[]}"#),
        (200, JSON, "[1,2"),
        (204, JSON, ""),
        (500, JSON, "{}"),
    ];
    for (number, (code, headers, body)) in rows.into_iter().enumerate() {
        for path in PATHS {
            let row = format!("{path}: {code} {body}");
            let options = ScimOptions { patch: false, ..ScimOptions::default() };
            let server = ScimServer::start(options).await?;
            server.add_users(2);
            server.respond(path, code, headers, body);
            let tenant = format!("{}-{number}", path.to_lowercase());
            let account = server.link(&app, &tenant).await.with_context(|| row.clone())?;
            let all = capabilities(&app, &account).await?;
            assert_eq!(all.features.get("announced"), Some(&json!(true)), "{row}: the others");
            let has_config = path != "ServiceProviderConfig";
            assert_eq!(all.features.get("patch"), Some(&json!(!has_config)), "{row}");
            assert_eq!(user_field(&all, "title"), Some((true, true)), "{row}");
            let users = app.client_for(&account)?.get("users").await?.success()?;
            assert_eq!(users["result_count"], 2, "{row}");
            assert_eq!(status(&app, &account).await?, "active", "{row}");
        }
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_server_without_announcements_has_defaults(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let options = ScimOptions { discovery: false, ..ScimOptions::default() };
    let server = ScimServer::start(options).await?;
    let account = server.link(&app, "acme").await?;
    let all = capabilities(&app, &account).await?;
    let expected = json!({"announced": false, "patch": true, "filter": false,
        "filter_max_results": null, "bulk": false, "sort": false, "etag": false, "me": false});
    assert_eq!(serde_json::to_value(&all.features)?, expected);
    // It is not asked again before the next day.
    let calls = server.calls("GET", "Schemas");
    app.client_for(&account)?.get("users").await?.success()?;
    assert_eq!(server.calls("GET", "Schemas"), calls);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn discovers_again_after_a_day_and_a_failure_changes_nothing(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let server = ScimServer::start(ScimOptions::default()).await?;
    let account = server.link(&app, "acme").await?;
    let api = app.client_for(&account)?;
    let patch = async || -> anyhow::Result<Option<Value>> {
        api.get("users?limit=1").await?.success()?;
        Ok(capabilities(&app, &account).await?.features.get("patch").cloned())
    };
    server.set(|options| options.patch = false);
    app.clock.advance(Duration::hours(23));
    assert_eq!(patch().await?, Some(json!(true)), "it is not due");
    app.clock.advance(Duration::hours(2));
    assert_eq!(patch().await?, Some(json!(false)));
    assert_eq!(server.calls("GET", PATHS[0]), 2);

    for path in PATHS {
        server.respond(path, 503, &[], "");
    }
    app.clock.advance(Duration::hours(25));
    let calls = || server.calls("GET", PATHS[0]);
    let mut before = calls();
    assert_eq!(patch().await?, Some(json!(false)), "the old result stays");
    assert!(calls() > before, "it was tried");
    before = calls();
    app.clock.advance(Duration::minutes(9));
    assert_eq!(patch().await?, Some(json!(false)));
    assert_eq!(calls(), before, "it waits for ten minutes");
    // Neither a rejected token nor a page in place of the server says anything about its features.
    for (status, headers) in [(401, JSON), (403, JSON), (200, HTML)] {
        server.clear();
        for path in PATHS {
            server.respond(path, status, headers, "<p>");
        }
        app.clock.advance(Duration::minutes(11));
        assert_eq!(patch().await?, Some(json!(false)), "the old result stays: {status}");
    }
    before = calls();
    app.clock.advance(Duration::minutes(11));
    server.clear();
    server.set(|options| options.patch = true);
    assert_eq!(patch().await?, Some(json!(true)));
    assert_eq!(calls(), before + 1);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn concurrent_requests_share_one_discovery(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let server = ScimServer::start(ScimOptions::default()).await?;
    let account = server.link(&app, "acme").await?;
    app.clock.advance(Duration::hours(25));
    server.set(|options| options.delay = Wait::from_millis(100));
    let api = app.client_for(&account)?;
    for response in join_all((0..8).map(|_| api.get("users?limit=1"))).await {
        response?.success()?;
    }
    assert_eq!(server.calls("GET", PATHS[0]), 2);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn raw_calls_do_not_wait_for_a_discovery(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let server = ScimServer::start(ScimOptions::default()).await?;
    let account = server.link(&app, "acme").await?;
    app.clock.advance(Duration::hours(25));
    app.client_for(&account)?.get("proxy/Users?count=1").await?.success()?;
    assert_eq!(server.calls("GET", PATHS[0]), 1);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn large_schemas_are_condensed(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let user = "urn:ietf:params:scim:schemas:core:2.0:User";
    let many = |prefix: &str| -> Vec<Value> {
        (0..1_500).map(|n| attribute(&format!("{prefix}{n}"), "string", "readWrite", &[])).collect()
    };
    let schemas = vec![schema(user, &many("core")), schema(ENTERPRISE, &many("extended"))];
    let server = ScimServer::start(ScimOptions { schemas, ..ScimOptions::default() }).await?;
    let account = server.link(&app, "acme").await?;
    let size: i32 = sqlx::query_scalar(
        "select octet_length(discovery::text) from integrated_accounts where integrated_account_id = $1",
    )
    .bind(&account)
    .fetch_one(&app.pool)
    .await?;
    assert!((10..20_000).contains(&size), "{size}");
    let all = capabilities(&app, &account).await?;
    assert_eq!(all.features.get("announced"), Some(&json!(true)));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn settings_are_validated_stored_and_audited(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let server = ScimServer::start(ScimOptions::default()).await?;
    let account = server.link(&app, "acme").await?;
    let path = format!("integrated-accounts/{account}");
    let patch = async |settings: &Value| {
        app.home.api.patch(&path, &json!({"provider_settings": settings})).await
    };
    let all = capabilities(&app, &account).await?;
    let list = |all: &Capabilities| {
        method(all, ResourceKind::Workspaces, ResourceMethod::List).1.map(str::to_owned)
    };
    let without = list(&all).context("no reason")?;
    assert!(without.contains("workspaces"), "{without}");

    for (settings, pointers) in [
        (json!({"delete_user": "erase"}), vec!["/provider_settings/delete_user"]),
        (json!({"roles": []}), vec!["/provider_settings/roles"]),
        (
            json!({"roles_from": ["teams"], "workspaces_from": {"ids": [1]}}),
            vec!["/provider_settings/roles_from/0", "/provider_settings/workspaces_from/ids/0"],
        ),
    ] {
        let rejected = patch(&settings).await?;
        rejected.problem(422, "invalid_body");
        assert_eq!(rejected.pointers(), pointers, "{settings}");
    }
    let read = app.home.api.get(&path).await?.success()?;
    assert_eq!(read["result"]["provider_settings"], Value::Null, "nothing was stored");

    let settings = json!({"workspaces_from": {"prefix": "ws-"}, "delete_user": "delete"});
    let changed = patch(&settings).await?.success()?;
    assert_eq!(changed["result"]["provider_settings"], settings);
    assert_ne!(list(&capabilities(&app, &account).await?), Some(without));
    let cleared = patch(&Value::Null).await?.success()?;
    assert_eq!(cleared["result"]["provider_settings"], Value::Null);
    let action = "audit-log?action=integrated_account.provider_settings_changed";
    assert_eq!(app.home.admin.get(action).await?.success()?["result_count"], 2);

    let tokens = format!("{path}/tokens");
    let body = json!({"scopes": ["read", "write"]});
    let token = app.home.api.post(&tokens, &body).await?.created()?;
    let token = token["result"]["token"].as_str().context("no token")?;
    let own = app.anonymous()?.with("authorization", &crate::support::bearer(token))?;
    let refused = own.patch(&path, &json!({"provider_settings": null})).await?;
    refused.problem(403, "insufficient_scope");

    let slack = app.link("globex").await?;
    let body = json!({"provider_settings": {"delete_user": "delete"}});
    let rejected = app.home.api.patch(&format!("integrated-accounts/{slack}"), &body).await?;
    rejected.problem(422, "invalid_body");
    assert_eq!(rejected.pointers(), ["/provider_settings"]);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn providers_say_what_they_can_do_in_general(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let list = app.home.api.get("providers").await?.success()?;
    let rows = list["result"].as_array().context("no list")?;
    let names: Vec<_> = rows.iter().map(|row| (&row["name"], &row["link_method"])).collect();
    let (slack, scim) = (json!("slack_enterprise"), json!("scim"));
    assert_eq!(names, [(&slack, &json!("oauth")), (&scim, &json!("form"))]);
    for row in rows {
        let name = row["name"].as_str().context("no name")?;
        let details = app.home.api.get(&format!("providers/{name}")).await?.success()?;
        let resources = details["result"]["resources"].as_array().context("no resources")?;
        assert_eq!(resources.len(), ResourceKind::ALL.len());
        let users = &resources[0];
        assert_eq!(users["resource"], "users");
        assert_eq!(users["methods"][0]["method"], "list");
        assert_eq!(users["methods"][0]["is_supported"], true, "{name}");
        assert_eq!(details["result"]["differs_by_account"], name == "scim");
        let connector = app.state.registry.connector(name.parse()?);
        let general = serde_json::to_value(general_capabilities(connector).resources)?;
        assert_eq!(details["result"]["resources"], general);
    }
    let slack = app.home.api.get("providers/slack_enterprise").await?.success()?;
    assert_eq!(slack["result"]["resources"][0]["methods"][0]["scopes"][0], "admin.users:read");
    let unknown = app.home.api.get("providers/teams").await?;
    unknown.problem(404, "not_found");
    Ok(())
}
