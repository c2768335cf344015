//! Tokens are encrypted for their destination: a row that was changed in the database sends none elsewhere.

use std::net::TcpListener;
use std::sync::Arc;

use anyhow::Context as _;
use base64::Engine as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::clock::SystemClock;
use switchboard::domain::entropy::SeededEntropy;
use switchboard::sandbox::DEFAULT_CLIENT_ID;
use switchboard::vault::{MasterKeys, RowBinding, Vault};
use url::form_urlencoded::Serializer;
use zeroize::Zeroizing;

use crate::support::{Browser, Client, TestApp, link_url};

fn keys(ids: &[(&str, u8)]) -> anyhow::Result<MasterKeys> {
    let keys = ids.iter().map(|(id, byte)| ((*id).to_owned(), Zeroizing::new([*byte; 32])));
    Ok(MasterKeys::new(keys.collect())?)
}

/// Starts a gateway with a SCIM account; returns the account's id and its token.
async fn scim_app(pool: PgPool) -> anyhow::Result<(TestApp, String, String)> {
    let mut base_url = String::new();
    let app = TestApp::with(pool, |setup| {
        let key = |byte| base64::engine::general_purpose::STANDARD.encode([byte; 32]);
        setup.config.vault.keys = format!("old:{},new:{}", key(1), key(2));
        setup.config.upstream.allow_private_addresses = true;
        base_url = format!("{}/scim/v2/", setup.config.slack_enterprise.api_url);
    })
    .await?;
    let token = app.sandbox.install(DEFAULT_CLIENT_ID, &["admin"])?.access_token;
    let link = link_url(&app.home, &json!({"tenant_id": "acme", "provider": "scim"})).await?;
    let mut form = Serializer::new(String::new());
    form.extend_pairs([("provider", "scim"), ("base_url", &base_url), ("token", &token)]);
    let page = Browser::new()?.post(&link, &form.finish()).await?;
    anyhow::ensure!(page.status == 200, "{}", page.text);
    let list = app.home.api.get("integrated-accounts").await?.success()?;
    let id = list.pointer("/result/0/id").and_then(Value::as_str).context("no account")?;
    Ok((app, id.to_owned(), token))
}

/// A server that must not receive a call.
struct OtherServer(TcpListener);

impl OtherServer {
    fn new() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        Ok(Self(listener))
    }

    async fn lead(&self, app: &TestApp, account: &str) -> anyhow::Result<()> {
        let base_url = format!("http://{}/", self.0.local_addr()?);
        sqlx::query("update integrated_accounts set provider = 'scim', base_url = $1 where integrated_account_id = $2")
            .bind(base_url)
            .bind(account)
            .execute(&app.pool)
            .await?;
        Ok(())
    }

    /// Calls until the changed row is read, and checks that no call arrives here.
    async fn gets_nothing(&self, api: &Client) -> anyhow::Result<()> {
        loop {
            let response = api.get("users?limit=1").await?;
            anyhow::ensure!(self.0.accept().is_err(), "it was called");
            if response.status != 200 {
                response.problem(500, "internal");
                break;
            }
        }
        api.get("proxy/Users").await?.api_error(500, "internal");
        anyhow::ensure!(self.0.accept().is_err(), "it was called");
        Ok(())
    }
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_base_url_changed_in_the_database_gets_no_token(pool: PgPool) -> anyhow::Result<()> {
    let (app, account, _) = scim_app(pool).await?;
    let api = app.client_for(&account)?;
    api.get("users?limit=1").await?.success()?;
    let elsewhere = OtherServer::new()?;
    elsewhere.lead(&app, &account).await?;
    elsewhere.gets_nothing(&api).await?;
    // An account of a provider at the configured URL.
    let slack = app.link("globex").await?;
    let api = app.client_for(&slack)?;
    api.get("users?limit=1").await?.success()?;
    elsewhere.lead(&app, &slack).await?;
    elsewhere.gets_nothing(&api).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn tokens_of_an_older_version_work_and_are_reencrypted(pool: PgPool) -> anyhow::Result<()> {
    let (app, account, token) = scim_app(pool).await?;
    let entropy = SeededEntropy::new(9_000_000);
    let environment: String = sqlx::query_scalar("select environment_id from integrated_accounts")
        .fetch_one(&app.pool)
        .await?;
    let binding = RowBinding::new(environment.parse()?, &account);
    let (key, wrapped) = keys(&[("old", 1)])?.new_data_key(&entropy, &binding)?;
    let sealed = key.seal(&entropy, "access_token", &token)?;
    let old =
        "update account_credentials set data_key = $1, access_token = $2, bound_generation = null,
               generation = generation + 1";
    sqlx::query(old).bind(&wrapped.bytes).bind(&sealed.0).execute(&app.pool).await?;
    let api = app.client_for(&account)?;
    api.get("users?limit=1").await?.success()?;

    let vault =
        Vault::new(keys(&[("new", 2), ("old", 1)])?, Arc::new(SeededEntropy::new(8_000_000)));
    let store = &app.state.store;
    assert_eq!(vault.bind_destinations(store).await?, 1);
    assert_eq!(vault.bind_destinations(store).await?, 0, "once");
    api.get("users?limit=1").await?.success()?;
    let rotated = vault.rotate(store, &SystemClock, &mut |_, _| ()).await?;
    assert!(rotated.unreadable.is_empty() && rotated.remaining.is_empty(), "{rotated:?}");
    assert!(vault.key_report(store).await?.unreadable.is_empty());
    api.get("users?limit=1").await?.success()?;

    let elsewhere = OtherServer::new()?;
    elsewhere.lead(&app, &account).await?;
    elsewhere.gets_nothing(&api).await
}
