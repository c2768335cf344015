//! `/integrated-accounts`, their tokens and their refresh.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::{Fault, FaultKind};
use time::Duration;

use crate::support::{Client, TestApp, bearer};

/// Returns a client whose key is a new token of an account.
async fn token_client(app: &TestApp, account: &str, body: Value) -> anyhow::Result<Client> {
    let path = format!("integrated-accounts/{account}/tokens");
    let token = app.home.api.post(&path, &body).await?.created()?;
    let token = token.pointer("/result/token").and_then(Value::as_str).context("no token")?;
    assert!(token.starts_with("sb_acct_"));
    app.anonymous()?.with("authorization", &bearer(token))
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn accounts_are_listed_by_pages_and_filters(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let mut ids = Vec::new();
    for tenant in ["acme", "globex", "initech"] {
        ids.push(app.link(tenant).await?);
        app.clock.advance(Duration::seconds(1));
    }
    let api = &app.home.api;
    for (limit, pages) in [(1, 3), (2, 2), (3, 1)] {
        let (rows, count) = api.all(&format!("integrated-accounts?limit={limit}")).await?;
        let listed: Vec<&str> = rows.iter().filter_map(|row| row["id"].as_str()).collect();
        assert_eq!((listed, count), (ids.iter().map(String::as_str).collect(), pages));
    }
    for (filter, expected) in [
        ("tenant_id=globex", 1),
        ("tenant_id=nobody", 0),
        ("status=active", 3),
        ("status=needs_reauth", 0),
        ("provider=slack_enterprise&tenant_id=acme&status=active", 1),
    ] {
        let list = api.get(&format!("integrated-accounts?{filter}")).await?.success()?;
        assert_eq!(list["result_count"], expected, "{filter}");
    }
    for wrong in ["status=asleep", "provider=myspace", "tenant=acme"] {
        let response = api.get(&format!("integrated-accounts?{wrong}")).await?;
        response.problem(400, "invalid_query");
        assert_eq!(response.pointers(), [wrong.split('=').next().context("no name")?]);
    }
    let page = api.get("integrated-accounts?limit=1").await?.success()?;
    let cursor = page["next_cursor"].as_str().context("no cursor")?;
    for wrong in ["x".to_owned(), ids[0].clone(), format!("{cursor}&tenant_id=acme")] {
        let response = api.get(&format!("integrated-accounts?next_cursor={wrong}")).await?;
        response.problem(400, "invalid_cursor");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_account_is_selected_in_four_ways(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let id = app.link("acme").await?;
    let api = &app.home.api;
    let by_token = token_client(&app, &id, json!({})).await?;
    let named = format!("users?limit=1&integrated_account_id={id}");
    let by_tenant = "users?limit=1&tenant_id=acme&provider=slack_enterprise";
    let expected = api.get(&named).await?.success()?["result"].clone();
    assert!(expected[0]["id"].is_string());
    assert_eq!(api.get(by_tenant).await?.success()?["result"], expected);
    assert_eq!(app.client_for(&id)?.get("users?limit=1").await?.success()?["result"], expected);
    assert_eq!(by_token.get("users?limit=1").await?.success()?["result"], expected);

    api.get("users").await?.problem(400, "account_required");
    api.get("users?tenant_id=acme").await?.problem(400, "account_required");
    let unknown = api.get("users?tenant_id=acme&provider=myspace").await?;
    unknown.problem(400, "invalid_query");
    assert_eq!(unknown.pointers(), ["provider"]);
    let unknown_tenant = api.get("users?tenant_id=nobody&provider=slack_enterprise").await?;
    unknown_tenant.problem(404, "account_not_found");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_forced_refresh_replaces_the_tokens(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let id = app.link("acme").await?;
    let path = format!("integrated-accounts/{id}/refresh");
    let response = app.home.api.send(http::Method::POST, &path, None).await?.success()?;
    assert_eq!(response["result"]["id"], id);
    assert_eq!(app.sandbox.stats().refreshes, 1);
    app.client_for(&id)?.get("users?limit=1").await?.success()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_account_token_reaches_only_its_own_account(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let (own, other) = (app.link("acme").await?, app.link("globex").await?);
    let client = token_client(&app, &own, json!({})).await?;
    client.get("users?limit=1").await?.success()?;
    let list = client.get("integrated-accounts").await?.success()?;
    assert_eq!((&list["result_count"], &list["result"][0]["id"]), (&json!(1), &json!(own)));

    let named = client.clone().with("x-integrated-account-id", &other)?;
    for path in ["users", "roles", "workspaces", "role-assignments", "proxy/api/auth.test"] {
        named.get(path).await?.api_error(404, "account_not_found");
    }
    client
        .get(&format!("users?integrated_account_id={other}"))
        .await?
        .problem(404, "account_not_found");
    client.get(&format!("integrated-accounts/{other}")).await?.problem(404, "account_not_found");
    let tokens = format!("integrated-accounts/{other}/tokens");
    client.post(&tokens, &json!({})).await?.problem(404, "account_not_found");
    let link = client.post("link-tokens", &json!({"tenant_id": "acme"})).await?;
    link.problem(403, "insufficient_scope");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_account_token_expires_and_does_not_exceed_its_creator(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let id = app.link("acme").await?;
    let client = token_client(&app, &id, json!({"expires_in_s": 60, "scopes": ["read"]})).await?;
    client.get("users?limit=1").await?.success()?;
    client.get("proxy/api/auth.test").await?.api_error(403, "insufficient_scope");
    let path = format!("integrated-accounts/{id}/tokens");
    app.clock.advance(Duration::seconds(60));
    client.get("users?limit=1").await?.problem(401, "unauthorized");

    let admin = app.home.admin.post(&path, &json!({"scopes": ["admin"]})).await?;
    admin.problem(403, "insufficient_scope");
    let none = app.home.api.post(&path, &json!({"scopes": []})).await?;
    none.problem(422, "invalid_body");
    assert_eq!(none.pointers(), ["/scopes"]);
    for seconds in [0, 31_622_401] {
        let wrong = app.home.api.post(&path, &json!({"expires_in_s": seconds})).await?;
        wrong.problem(422, "invalid_body");
        assert_eq!(wrong.pointers(), ["/expires_in_s"]);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_token_can_not_create_one_that_outlives_it(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let id = app.link("acme").await?;
    let client = token_client(&app, &id, json!({"expires_in_s": 60})).await?;
    let path = format!("integrated-accounts/{id}/tokens");
    let longer = client.post(&path, &json!({"expires_in_s": 31_622_400})).await?;
    longer.problem(403, "insufficient_scope");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_an_unknown_key(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    for wrong in ["Bearer sb_live_made-up", "Bearer sb_acct_made-up", "Bearer", "Basic YTpi", "x"] {
        let client = app.anonymous()?.with("authorization", wrong)?;
        let rejected = client.get("integrated-accounts").await?;
        rejected.problem(401, "unauthorized");
        assert_eq!(rejected.header("www-authenticate"), "Bearer");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn updates_the_callers_metadata_of_an_account(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let path = format!("integrated-accounts/{account}");
    let change = json!({"tenant_id": "acme-inc", "context": {"plan": "gold"}});
    let changed = app.home.api.patch(&path, &change).await?.success()?;
    assert_eq!(changed["result"]["tenant_id"], "acme-inc");
    let stored = app.home.api.patch(&path, &json!({"context": {}})).await?.success()?;
    assert_eq!(
        (&stored["result"]["tenant_id"], &stored["result"]["context"]),
        (&json!("acme-inc"), &json!({}))
    );
    let response = app.home.api.patch(&path, &json!({"tenant_id": ""})).await?;
    response.problem(422, "invalid_body");
    assert_eq!(response.pointers(), ["/tenant_id"]);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn disconnecting_revokes_at_the_provider_and_deletes_tokens(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let api = app.client_for(&account)?;
    let path = format!("integrated-accounts/{account}");
    // While the revocation can't reach the provider, nothing is deleted.
    app.sandbox.add_fault(Fault::for_next_calls("auth.revoke", FaultKind::ServerError, 1_000));
    app.home.api.delete(&path).await?.problem(502, "provider_error");
    api.get("users?limit=1").await?.success()?;
    app.sandbox.clear_faults();
    let before = app.calls("auth.revoke");
    let removed = app.home.api.delete(&path).await?.success()?;
    assert_eq!(removed["result"]["status"], "disconnected");
    assert_eq!(app.calls("auth.revoke"), before + 2, "either of the two tokens");
    let rejected = app.sandbox.requests(Some("auth.revoke")).requests;
    assert!(rejected.iter().rev().take(2).all(|call| call.error.is_none()), "{rejected:?}");
    api.get("users?limit=1").await?.problem(409, "account_disconnected");
    let again = app.home.api.delete(&path).await?.success()?;
    assert_eq!(again["result"]["status"], "disconnected");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_account_token_is_valid_until_it_is_revoked(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let id = app.link("acme").await?;
    let client = token_client(&app, &id, json!({"expires_in_s": null})).await?;
    token_client(&app, &id, json!({"expires_in_s": 60})).await?;
    app.clock.advance(Duration::days(2000));
    app.sandbox.advance_clock(Duration::days(2000));
    client.get("roles").await?.success()?;

    let path = format!("integrated-accounts/{id}/tokens");
    let list = app.home.api.get(&path).await?.success()?;
    assert_eq!(list["result_count"], 1, "the other one ended long ago: {list}");
    let token = &list["result"][0];
    assert_eq!((&token["expires_at"], &token["revoked_at"]), (&Value::Null, &Value::Null));
    assert!(token.get("token").is_none(), "{token}");
    client.get(&path).await?.problem(403, "insufficient_scope");

    let path = format!("{path}/{}", token["id"].as_str().unwrap_or_default());
    client.delete(&path).await?.problem(403, "insufficient_scope");
    let first = app.home.api.delete(&path).await?.success()?;
    assert_eq!(app.home.api.delete(&path).await?.success()?, first, "once more is the same");
    client.get("roles").await?.problem(401, "unauthorized");
    let unknown = format!("integrated-accounts/{id}/tokens/atk_unknown");
    app.home.api.delete(&unknown).await?.problem(404, "not_found");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn describes_the_scopes_of_an_account(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let id = app.link("acme").await?;
    let path = format!("integrated-accounts/{id}/scopes");
    let list = app.home.api.get(&path).await?.success()?;
    let expected = json!({"scope": "admin.users:read", "is_granted": true,
        "description": "View the users of the organization"});
    let rows = list["result"].as_array().cloned().unwrap_or_default();
    assert!(rows.contains(&expected), "{list}");
    assert!(rows.iter().all(|row| row["is_granted"] == true), "{list}");
    Ok(())
}
