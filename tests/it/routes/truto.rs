//! Paths and envelopes of Truto's API for the same resources.

use anyhow::Context as _;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::TestApp;

const USERS: &str = "unified/user-directory/users";

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn lists_have_an_envelope_and_single_resources_none(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let page = api.get(&format!("{USERS}?limit=5&")).await?.success()?;
    assert_eq!((&page["result_count"], &page["limit"]), (&json!(5), &json!(5)));
    let row = &page["result"][0];
    assert!(row["remote_data"].is_object(), "the provider's object is included by default");
    assert_eq!(row["type"], row["user_type"]);
    let plain =
        api.get(&format!("{USERS}?limit=1&truto_ignore_remote_data=true")).await?.success()?;
    assert_eq!(plain["result"][0].get("remote_data"), None);
    let id = row["id"].as_str().context("no id")?;
    let user = api.get(&format!("{USERS}/{id}")).await?.success()?;
    assert_eq!(user["id"], id, "bare: {user}");
    let raw = api.get(&format!("{USERS}/{id}?truto_response_format=raw")).await?.success()?;
    assert!(raw["users.info"]["ok"] == true, "{raw}");
    for path in ["role_assignments", "role-assignments", "roles", "workspaces", "groups"] {
        let page = api.get(&format!("unified/user-directory/{path}?limit=2")).await?.success()?;
        assert_eq!(page["result_count"], 2, "{path}");
    }
    let me = api.get("unified/user-directory/me").await?.success()?;
    assert_eq!(me["is_organization_wide"], true);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_page_is_never_empty_before_the_end(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let (ours, _) = api.all("users?limit=7&user_type=bot").await?;
    let first = format!("{USERS}?limit=7&user_type=bot");
    let (mut theirs, mut path) = (Vec::new(), first.clone());
    loop {
        let page = api.get(&path).await?.success()?;
        let rows = page["result"].as_array().context("no rows")?;
        let next = page["next_cursor"].as_str();
        assert!(!rows.is_empty() || next.is_none(), "{page}");
        theirs.extend(rows.iter().map(|row| row["id"].clone()));
        match next {
            Some(next) => path = format!("{first}&next_cursor={next}"),
            None => break,
        }
    }
    let ours: Vec<Value> = ours.iter().map(|row| row["id"].clone()).collect();
    assert_eq!(theirs, ours);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_list_can_be_keyed_by_a_field(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let path =
        "unified/user-directory/workspaces?limit=2&truto_key_by=name&truto_ignore_limit=true";
    let keyed = api.get(path).await?.success()?;
    let org = app.sandbox.snapshot();
    assert_eq!(keyed["result_count"], org.workspaces.len());
    for team in &org.workspaces {
        assert_eq!(keyed["result"][&team.name]["id"], team.id.as_str());
    }
    for field in ["discoverability", "shoe_size"] {
        let lost = path.replace("key_by=name", &format!("key_by={field}"));
        let lost = api.get(&lost).await?;
        assert_eq!(lost.status, 400, "{}", lost.text);
        let message = lost.body["message"].as_str().unwrap_or_default();
        assert!(message.contains(field) && message.contains("Use a field"), "{message}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn errors_have_trutos_format(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let missing = api.get(&format!("{USERS}/U0NOBODY")).await?;
    assert_eq!((missing.status, &missing.body["statusCode"]), (404, &json!(404)));
    assert_eq!(missing.body["error"], "Not Found");
    let roles = json!({"user_id": "U0NOBODY", "roles": [{"id": "org:admin"}]});
    let rejected = api.post(&format!("{USERS}/assign_role"), &roles).await?;
    assert_eq!(rejected.status, 404, "{}", rejected.text);
    let request = json!({"email": "a@b.c", "shoe_size": 44});
    let rejected = api.post(USERS, &request).await?;
    assert_eq!(rejected.status, 422);
    let message = rejected.body["message"].as_str().unwrap_or_default();
    assert!(message.contains("shoe_size"), "{message}");
    let remote = api
        .get("unified/user-directory/role_assignments?workspace[id]=T1&remote_query[sort_dir]=up")
        .await?;
    assert_eq!(remote.body["truto_is_remote_error"], true, "{}", remote.text);
    assert_eq!(remote.body["raw_response"]["method"], "admin.roles.listAssignments");
    let format = api.get(&format!("{USERS}?truto_response_format=stream")).await?;
    assert_eq!((format.status, &format.body["error"]), (400, &json!("Bad Request")));
    let anonymous = app.anonymous()?.get(USERS).await?;
    assert_eq!((anonymous.status, &anonymous.body["error"]), (401, &json!("Unauthorized")));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn accounts_keys_and_links_have_trutos_paths(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let admin = &app.home.admin;
    let list = admin.get("integrated-account?tenant_id=acme").await?.success()?;
    assert_eq!(list["result"][0]["id"], account.as_str());
    assert_eq!(list["result"][0]["integration"]["name"], "slack_enterprise");
    let body = json!({ "integrated_account_id": account });
    let token = admin.post("integrated-account/token", &body).await?.success()?;
    let token = token["integrated_account_token"].as_str().context("no token")?;
    let bound = app.anonymous()?.with("authorization", &format!("Bearer {token}"))?;
    assert_eq!(bound.get("integrated-account/me").await?.success()?["id"], account.as_str());
    assert_eq!(admin.get("integrated-account/me").await?.status, 400);
    let refreshed =
        admin.post("integrated-account/refresh-credentials", &json!({"id": account})).await?;
    assert_eq!(refreshed.success()?["id"], account.as_str());
    let path = format!("integrated-account/{account}");
    let changed = admin.patch(&path, &json!({"context": {"a": 1}})).await?.success()?;
    assert_eq!(changed["context"], json!({"a": 1}));
    let body = json!({"integrated_account_id": account, "persist_previous_context": true,
        "context": {"b": 2}});
    let link = admin.post("link-token", &body).await?.success()?;
    assert!(link["link_token"].as_str().is_some_and(|token| !token.is_empty()), "{link}");
    let keys = admin.get("api-token").await?.success()?;
    let key = keys["result"][0]["id"].as_str().context("no key")?;
    assert_eq!(admin.get(&format!("api-token/{key}")).await?.success()?["id"], key);
    let home = app.home.environment_id.to_string();
    assert_eq!(admin.get("environment").await?.success()?["result"][0]["id"], home.as_str());
    assert_eq!(admin.get(&format!("environment/{home}")).await?.success()?["id"], home.as_str());
    assert_eq!(app.anonymous()?.get("ping").await?.success()?, json!({"status": "ok"}));
    let removed = admin.delete(&path).await?.success()?;
    assert_eq!(removed["status"], "disconnected");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn truto_paths_reach_only_the_directory(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let admin = app.home.admin.clone().with("x-integrated-account-id", &account)?;
    for path in [
        "unified/user-directory/api-keys",
        "unified/user-directory/audit-log",
        "unified/user-directory/audit-log/export",
        "unified/user-directory/integrated-accounts",
        "unified/user-directory/environments",
        "unified/user-directory/metrics",
        "unified/user-directory/openapi.json",
        "unified/user-directory/proxy/api/auth.test",
        "unified/user-directory/events",
        "unified/user-directory/batch",
        "unified/user-directory/users%2F..%2Fapi-keys",
        "unified/user-directory/users/..%2F..%2Fapi-keys",
        "unified/user-directory/%75sers/%2e%2e%2fapi-keys",
        "unified/user-directory//api-keys",
        "unified/user-directory/unified/user-directory/users",
        "integrated-account/..%2Fapi-keys",
        &format!("integrated-account/{account}%2Ftokens"),
        &format!("integrated-account/{account}%2Fscopes"),
        "integrated-account/x%3Flimit=1",
        "api-token/..%2Fenvironments",
        "environment/..%2Fapi-keys",
        "webhook/..%2Fapi-keys",
    ] {
        let response = admin.get(path).await?;
        assert_eq!(response.status, 404, "{path}: {}", response.text);
        assert_eq!(response.body["statusCode"], 404, "{path}: {}", response.text);
        assert_ne!(response.header("x-request-id"), "", "{path}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn early_rejections_are_counted_and_have_a_request_id(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let admin = app.home.admin.clone().with("x-request-id", "early-1")?;
    for (path, body) in
        [("link-token", "[]"), ("integrated-account/token", "{}"), ("link-token", "{")]
    {
        let rejected = admin.send(Method::POST, path, Some(("application/json", body))).await?;
        assert_eq!((rejected.status, rejected.header("x-request-id")), (400, "early-1"), "{path}");
        assert_eq!(rejected.header("x-content-type-options"), "nosniff");
        assert_eq!(rejected.header("cache-control"), "no-store");
    }
    let metrics = app.anonymous()?.get("metrics").await?.text;
    let counts = |route: &str, status: &str| {
        let has = |line: &&str| {
            line.contains("requests_total")
                && line.contains(&format!("\"{route}\""))
                && line.contains(status)
        };
        metrics.lines().find(has).and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
    };
    assert_eq!(counts("/link-token", "4xx"), Some(2), "{metrics}");
    assert_eq!(counts("/integrated-account/token", "4xx"), Some(1), "{metrics}");
    // Requests to the gateway's own routes are counted there, once.
    admin.get("integrated-account?limit=1").await?.success()?;
    let metrics = app.anonymous()?.get("metrics").await?.text;
    assert!(!metrics.contains("\"/integrated-account\""), "{metrics}");
    Ok(())
}
