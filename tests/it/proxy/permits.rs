//! Keys that are bound to some of the provider's methods.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{Client, TestApp, bearer};

/// An account token of this wish.
pub(super) async fn token(app: &TestApp, wish: &Value) -> anyhow::Result<String> {
    let account = app.link("acme").await?;
    made(&app.home.admin, &account, wish).await
}

async fn made(maker: &Client, account: &str, wish: &Value) -> anyhow::Result<String> {
    let path = format!("integrated-accounts/{account}/tokens");
    let made = maker.post(&path, wish).await?.created()?;
    let token = made.pointer("/result/token").and_then(Value::as_str);
    Ok(token.context("no token")?.to_owned())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_token_calls_the_methods_it_was_made_for_and_no_others(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let wish = json!({"scopes": ["proxy"], "allowed_methods": ["auth.*", "scim.users.get"]});
    let token = made(&app.home.admin, &account, &wish).await?;
    let client = app.nobody()?.with("authorization", &bearer(&token))?;
    client.get("proxy/api/auth.test").await?.okay()?;
    client.get("proxy/scim/v2/Users?count=1").await?.okay()?;
    let asked = app.sandbox.requests(None).requests.len();
    for path in ["api/users.info", "api/Auth.test", "api/authx", "scim/v2/Groups", "audit/v1/logs"]
    {
        let refused = client.get(&format!("proxy/{path}")).await?;
        let detail = refused.refused(403, "method_forbidden");
        assert!(detail.contains('`'), "{path}");
    }
    let written = client.post("proxy/scim/v2/Users", &json!({})).await?;
    written.refused(403, "method_forbidden");
    let followed = client.get("proxy/scim/v2/Groups?paginate=true").await?;
    followed.refused(403, "method_forbidden");
    assert_eq!(app.sandbox.requests(None).requests.len(), asked, "nothing of it was sent");

    let path = format!("integrated-accounts/{account}/tokens");
    let listed = app.home.admin.get(&path).await?.okay()?;
    assert_eq!(listed["result"][0]["allowed_methods"], json!(["auth.*", "scim.users.get"]));
    let bad = json!({"allowed_methods": ["users info"]});
    let refused = app.home.admin.post(&path, &bad).await?;
    refused.problem(422, "invalid_body");
    assert_eq!(refused.pointers(), ["/allowed_methods"]);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_bound_key_binds_the_tokens_it_makes(pool: PgPool) -> anyhow::Result<()> {
    use switchboard::app::{Permits, create_api_key};
    use switchboard::domain::access::Scope;
    use switchboard::domain::allowed_methods::AllowedMethods;
    use switchboard::domain::entropy::SeededEntropy;

    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let allowed = AllowedMethods::new(vec!["users.*".to_owned()])?;
    let permits = Permits { allowed_methods: Some(&allowed), ..Scope::ACCOUNT.into() };
    let (store, environment) = (&app.state.store, app.home.environment_id);
    let (clock, entropy) = (&app.clock, &SeededEntropy::new(4711));
    let key = create_api_key(store, environment, "bound", permits, &app.state.keys, clock, entropy)
        .await?;
    let key = app.nobody()?.with("authorization", &bearer(key.secret.reveal()))?;
    let here = key.clone().with("x-integrated-account-id", &account)?;
    here.get("proxy/api/users.info?user=U1").await?.okay()?;
    here.get("proxy/api/auth.test").await?.refused(403, "method_forbidden");

    for (wish, tries, expected) in [
        (json!({}), "auth.test", 403),
        (json!({}), "users.info", 200),
        (json!({"allowed_methods": ["users.info"]}), "users.info", 200),
        (json!({"allowed_methods": ["users.info"]}), "users.list", 403),
    ] {
        let token = made(&key, &account, &wish).await?;
        let client = app.nobody()?.with("authorization", &bearer(&token))?;
        let answer = client.get(&format!("proxy/api/{tries}")).await?;
        assert_eq!(answer.status, expected, "{wish} {tries}: {}", answer.text);
    }
    let path = format!("integrated-accounts/{account}/tokens");
    for wider in [json!({"allowed_methods": ["*"]}), json!({"allowed_methods": ["auth.test"]})] {
        key.post(&path, &wider).await?.problem(403, "method_forbidden");
    }
    let shown = app.home.admin.get("api-keys").await?.okay()?;
    let rows = shown["result"].as_array().context("no keys")?;
    assert!(rows.iter().any(|row| row["allowed_methods"] == json!(["users.*"])), "{shown}");
    Ok(())
}
