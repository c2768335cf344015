//! Keys that are restricted to some of the provider's methods.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{Client, TestApp, bearer};

/// Creates an account token from this body.
pub(super) async fn token(app: &TestApp, body: &Value) -> anyhow::Result<String> {
    let account = app.link("acme").await?;
    create_token(&app.home.admin, &account, body).await
}

async fn create_token(maker: &Client, account: &str, body: &Value) -> anyhow::Result<String> {
    let path = format!("integrated-accounts/{account}/tokens");
    let issued = maker.post(&path, body).await?.created()?;
    let token = issued.pointer("/result/token").and_then(Value::as_str);
    Ok(token.context("no token")?.to_owned())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_token_calls_only_the_methods_it_permits(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let body = json!({"scopes": ["proxy"], "allowed_methods": ["auth.*", "scim.users.get"]});
    let token = create_token(&app.home.admin, &account, &body).await?;
    let client = app.anonymous()?.with("authorization", &bearer(&token))?;
    client.get("proxy/api/auth.test").await?.success()?;
    client.get("proxy/scim/v2/Users?count=1").await?.success()?;
    let called = app.sandbox.requests(None).requests.len();
    for path in ["api/users.info", "api/Auth.test", "api/authx", "scim/v2/Groups", "audit/v1/logs"]
    {
        let rejected = client.get(&format!("proxy/{path}")).await?;
        let detail = rejected.api_error(403, "method_forbidden");
        assert!(detail.contains('`'), "{path}");
    }
    let written = client.post("proxy/scim/v2/Users", &json!({})).await?;
    written.api_error(403, "method_forbidden");
    let followed = client.get("proxy/scim/v2/Groups?paginate=true").await?;
    followed.api_error(403, "method_forbidden");
    assert_eq!(app.sandbox.requests(None).requests.len(), called, "no call was sent");

    let path = format!("integrated-accounts/{account}/tokens");
    let listed = app.home.admin.get(&path).await?.success()?;
    assert_eq!(listed["result"][0]["allowed_methods"], json!(["auth.*", "scim.users.get"]));
    let bad = json!({"allowed_methods": ["users info"]});
    let rejected = app.home.admin.post(&path, &bad).await?;
    rejected.problem(422, "invalid_body");
    assert_eq!(rejected.pointers(), ["/allowed_methods"]);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_restricted_key_restricts_the_tokens_it_creates(pool: PgPool) -> anyhow::Result<()> {
    use switchboard::app::{KeyRestrictions, create_api_key};
    use switchboard::domain::access::Scope;
    use switchboard::domain::allowed_methods::AllowedMethods;
    use switchboard::domain::entropy::SeededEntropy;

    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let allowed = AllowedMethods::new(vec!["users.*".to_owned()])?;
    let permits = KeyRestrictions { allowed_methods: Some(&allowed), ..Scope::ACCOUNT.into() };
    let (store, environment) = (&app.state.store, app.home.environment_id);
    let (clock, entropy) = (&app.clock, &SeededEntropy::new(4711));
    let key = create_api_key(store, environment, "bound", permits, &app.state.keys, clock, entropy)
        .await?;
    let key = app.anonymous()?.with("authorization", &bearer(key.secret.reveal()))?;
    let here = key.clone().with("x-integrated-account-id", &account)?;
    here.get("proxy/api/users.info?user=U1").await?.success()?;
    here.get("proxy/api/auth.test").await?.api_error(403, "method_forbidden");

    for (body, tries, expected) in [
        (json!({}), "auth.test", 403),
        (json!({}), "users.info", 200),
        (json!({"allowed_methods": ["users.info"]}), "users.info", 200),
        (json!({"allowed_methods": ["users.info"]}), "users.list", 403),
    ] {
        let token = create_token(&key, &account, &body).await?;
        let client = app.anonymous()?.with("authorization", &bearer(&token))?;
        let response = client.get(&format!("proxy/api/{tries}")).await?;
        assert_eq!(response.status, expected, "{body} {tries}: {}", response.text);
    }
    let path = format!("integrated-accounts/{account}/tokens");
    for wider in [json!({"allowed_methods": ["*"]}), json!({"allowed_methods": ["auth.test"]})] {
        key.post(&path, &wider).await?.problem(403, "method_forbidden");
    }
    let shown = app.home.admin.get("api-keys").await?.success()?;
    let rows = shown["result"].as_array().context("no keys")?;
    assert!(rows.iter().any(|row| row["allowed_methods"] == json!(["users.*"])), "{shown}");
    Ok(())
}
