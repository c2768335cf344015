//! Administration commands beside a running gateway do the same as the API.

use reqwest::Method;
use serde_json::{Value, json};
use switchboard::sandbox::{DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET};
use url::Url;

use super::http_client::{Client, text};
use super::program::run;
use super::secrets::sandbox;
use super::serve::{serve, settings};
use super::test_dir::TestDir;
use crate::support::Browser;

/// Returns the output of a command.
async fn output(home: &TestDir, config: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let done = run(home, &[arguments, &["--config", config]].concat()).await?;
    anyhow::ensure!(done.code == Some(0), "{arguments:?}: {done:?}");
    Ok(done.stdout.trim_end().to_owned())
}

#[tokio::test]
async fn administers_an_environment_from_the_command_line() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let (_provider, provider_url) = sandbox(&home).await?;
    let config = settings(&home)?;
    let whole = std::fs::read_to_string(&config)?;
    let slack = format!("web_url = '{provider_url}'\napi_url = '{provider_url}'");
    std::fs::write(&config, format!("{whole}\n[slack_enterprise]\n{slack}\n"))?;
    let (mut gateway, url) = serve(&home, &config).await?;

    let id = output(&home, &config, &["environments", "create", "staging"]).await?;
    assert!(id.starts_with("env_"), "{id}");
    let taken = run(&home, &["environments", "create", "staging", "--config", &config]).await?;
    assert_eq!(taken.code, Some(1));
    assert!(taken.stderr.contains("an environment named \"staging\" already exists"), "{taken:?}");
    output(&home, &config, &["environments", "rename", "staging", "production"]).await?;
    let listed = output(&home, &config, &["environments", "list"]).await?;
    assert!(listed.contains(&format!("{id}\tproduction\t")), "{listed}");

    let here = ["--environment", "production"];
    let create = [&["keys", "create", "--scopes", "read,write,proxy,admin"], &here[..]].concat();
    let key = output(&home, &config, &create).await?;
    let client = Client::new()?;
    let send = async |key: &str, method: Method, path: &str, body: Option<&Value>| {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str())];
        client.send(method, &format!("{url}{path}"), &headers, body).await
    };
    let app = json!({"provider": "slack_enterprise", "client_id": DEFAULT_CLIENT_ID,
        "client_secret": DEFAULT_CLIENT_SECRET});
    send(&key, Method::POST, "/provider-apps", Some(&app)).await?.ok()?;
    let apps = output(&home, &config, &[&["provider-apps", "list"], &here[..]].concat()).await?;
    assert!(apps.contains(DEFAULT_CLIENT_ID) && !apps.contains(DEFAULT_CLIENT_SECRET), "{apps}");
    let request = json!({"tenant_id": "acme"});
    let link = send(&key, Method::POST, "/link-tokens", Some(&request)).await?.ok()?;
    let end =
        Browser::new()?.complete_link(&Url::parse(&text(&link, "/result/link_url")?)?).await?;
    anyhow::ensure!(end.status == 200, "{}", end.text);

    let accounts = output(&home, &config, &[&["accounts", "list"], &here[..]].concat()).await?;
    let account = accounts.split('\t').next().unwrap_or_default().to_owned();
    assert!(accounts.contains("\tactive\tacme\tslack_enterprise\t"), "{accounts}");
    output(&home, &config, &[&["accounts", "refresh"], &here[..], &[account.as_str()]].concat())
        .await?;
    let path = format!("/proxy/api/auth.test?integrated_account_id={account}");
    assert_eq!(send(&key, Method::GET, &path, None).await?.ok()?["ok"], true);

    let keys = output(&home, &config, &[&["keys", "list"], &here[..]].concat()).await?;
    let key_id = keys.split('\t').next().unwrap_or_default().to_owned();
    let rotate = [&["keys", "rotate", "--overlap-s", "0"], &here[..], &[key_id.as_str()]].concat();
    let newer = output(&home, &config, &rotate).await?;
    assert_eq!(send(&newer, Method::GET, &path, None).await?.ok()?["ok"], true);
    let path_of_log = "/audit-log?actor=cli&limit=100";
    let log = send(&newer, Method::GET, path_of_log, None).await?.ok()?.to_string();
    for action in [
        "environment.created",
        "environment.renamed",
        "api_key.created",
        "api_key.rotated",
        "integrated_account.refreshed",
    ] {
        assert!(log.contains(action), "{action} is not in {log}");
    }
    output(&home, &config, &[&["accounts", "disconnect"], &here[..], &[account.as_str()]].concat())
        .await?;
    assert_eq!(send(&newer, Method::GET, &path, None).await?.status, 409);
    let purged = output(&home, &config, &["audit", "purge", "--older-than-days", "90"]).await?;
    assert_eq!(purged, "0 rows deleted");
    assert_eq!(gateway.stop().await?.code(), Some(0), "{}", gateway.stderr()?);
    Ok(())
}
