//! The logs at level `trace`: no secret, no address, no name.

use reqwest::Method;
use serde_json::{Value, json};

use super::demo::Demo;
use super::http_client::{Client, text};
use super::leaks::Secrets;
use super::test_dir::TestDir;

#[tokio::test]
async fn text_logs_contain_no_secret() -> anyhow::Result<()> {
    logs_no_secret("pretty").await
}

#[tokio::test]
async fn json_logs_contain_no_secret() -> anyhow::Result<()> {
    logs_no_secret("json").await
}

async fn logs_no_secret(format: &str) -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let data = home.data();
    let arguments = ["--data-dir", &data.display().to_string()];
    let variables = [("SWITCHBOARD__LOG__FILTER", "trace"), ("SWITCHBOARD__LOG__FORMAT", format)];
    let mut demo = Demo::start_with(&home, &arguments, &variables).await?;
    let mut secrets = Secrets::default();
    read(&demo, &mut secrets).await?;
    refuse(&demo, &mut secrets).await?;
    renew(&demo).await?;
    fail(&demo).await?;
    link(&demo, &mut secrets).await?;
    demo.program.stop().await?;

    let keys = std::fs::read_to_string(data.join("master.key"))?;
    secrets.add("master key", keys.trim().split_once(':').map_or("", |(_, key)| key));
    assert_eq!(secrets.count("master key"), 1);
    assert!(secrets.count("e-mail address") > 100);
    let log = demo.program.stderr()?;
    for speaker in ["TRACE", "switchboard::http", "switchboard::upstream", "sqlx", "hyper"] {
        assert!(log.contains(speaker), "{speaker} logs nothing: is a filter active?");
    }
    let mut reported = secrets.leaks_in(&log);
    reported.extend(secrets.leaks_in(&std::fs::read_to_string(data.join("postgres.log"))?));
    assert!(!log.contains('\u{1b}'), "colours, though this is no terminal");
    assert!(reported.is_empty(), "{} lines:\n{}", reported.len(), reported.join("\n"));
    if format == "json" {
        let report = &demo.report;
        let whose = [&report.environment_id, &report.integrated_account_id];
        assert!(logs_the_caller(&log, whose), "no line has the caller of a request");
    }
    Ok(())
}

/// Checks that a request for users was logged with its id, environment, account, method, route, status and time.
fn logs_the_caller(log: &str, [environment, account]: [&String; 2]) -> bool {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut reported = lines.filter_map(|line| line.get("fields").cloned());
    reported.any(|fields| {
        let is = |name: &str, value: &str| fields.get(name) == Some(&json!(value));
        is("environment", environment)
            && is("account", account)
            && is("method", "GET")
            && is("route", "/users")
            && fields.get("status") == Some(&json!(200))
            && ["request_id", "ms"].iter().all(|name| fields.get(*name).is_some())
    })
}

/// Reads users in every way, and records their personal data.
async fn read(demo: &Demo, secrets: &mut Secrets) -> anyhow::Result<()> {
    for user in demo.all_users().await? {
        let Ok(address) = text(&user, "/emails/0/email") else { continue };
        secrets.add("e-mail address", &address);
        secrets.add("name", &text(&user, "/name")?);
    }
    let page = demo.get("/users?limit=3").await?.ok()?;
    secrets.add("cursor", &text(&page, "/next_cursor")?);
    let (id, address) = (text(&page, "/result/0/id")?, text(&page, "/result/0/emails/0/email")?);
    demo.get(&format!("/users/{id}?include_remote_data=true")).await?.ok()?;
    demo.get("/role-assignments?limit=5").await?.ok()?;
    demo.get("/roles").await?.ok()?;
    demo.get("/workspaces").await?.ok()?;
    read_copy(demo, secrets, (&id, &address)).await?;
    demo.get("/proxy/api/auth.test").await?.ok()?;
    demo.get("/proxy/scim/v2/Users?count=5").await?.ok()?;
    demo.get(&format!("/proxy/scim/v2/Users?filter=email%20eq%20%22{address}%22")).await?;
    demo.get(&format!("/proxy/api/users.lookupByEmail?email={address}")).await?;
    let token = demo.account_token().await?;
    secrets.add("account token", &token);
    demo.call(Method::GET, "/users?limit=1", &token, None).await?.ok()?;
    Ok(())
}

/// Reads a user in the synced copy, its history, and the events.
async fn read_copy(
    demo: &Demo,
    secrets: &mut Secrets,
    (id, address): (&str, &str),
) -> anyhow::Result<()> {
    demo.synced().await?;
    let page = demo.get("/users?source=synced&sort=name&limit=3").await?.ok()?;
    secrets.add("cursor", &text(&page, "/next_cursor")?);
    let found = demo.get(&format!("/users?source=synced&search={address}")).await?.ok()?;
    assert_eq!(text(&found, "/result/0/id")?, id);
    demo.get(&format!("/users/{id}?source=synced")).await?.ok()?;
    demo.get(&format!("/users/{id}/history")).await?.ok()?;
    let page = demo.get("/events").await?.ok()?;
    secrets.add("cursor", &text(&page, "/next_cursor")?);
    Ok(())
}

/// Sends requests that are rejected, with a secret in each.
async fn refuse(demo: &Demo, secrets: &mut Secrets) -> anyhow::Result<()> {
    let key = demo.report.api_key.clone();
    secrets.add("bad key", "sesame-open-up");
    assert_eq!(demo.call(Method::GET, "/users", "sesame-open-up", None).await?.status, 401);
    let bad = format!("{key}x");
    assert_eq!(demo.call(Method::GET, "/users", &bad, None).await?.status, 401);
    let address = "nobody.here@lumenworks.example";
    for path in [
        format!("/users/{address}"),
        format!("/users?email={address}"),
        format!("/users?next_cursor={key}"),
        format!("/{address}"),
        format!("/link/{key}"),
        format!("/oauth/callback?state={key}&code={key}"),
        format!("/proxy/api/users.info?user={address}"),
        format!("/proxy/{address}"),
    ] {
        demo.get(&path).await?;
    }
    let path = format!("/integrated-accounts/{}/tokens", demo.report.integrated_account_id);
    for body in
        [json!({"expires_in_s": address}), json!({"scopes": [key]}), json!({key.as_str(): 1})]
    {
        assert_eq!(demo.call(Method::POST, &path, &key, Some(&body)).await?.status / 100, 4);
    }
    let app = json!({"provider": "slack_enterprise", "client_id": address, "client_secret": key});
    let admin = demo.report.admin_key.clone();
    demo.call(Method::POST, "/provider-apps", &admin, Some(&app)).await?;
    Ok(())
}

/// A refresh that fails at first, and a forced one.
async fn renew(demo: &Demo) -> anyhow::Result<()> {
    demo.age_tokens().await?;
    for kind in ["cut_body", "server_error"] {
        let fault = json!({"method": "oauth.v2.access", "kind": kind, "count": 1});
        demo.sandbox_post("faults", &fault).await?;
    }
    demo.get("/users?limit=1").await?.ok()?;
    let path = format!("/integrated-accounts/{}/refresh", demo.report.integrated_account_id);
    demo.call(Method::POST, &path, &demo.report.api_key, None).await?.ok()?;
    Ok(())
}

/// A provider with all kinds of faults.
async fn fail(demo: &Demo) -> anyhow::Result<()> {
    for kind in ["server_error", "html", "cut_body", "lost_response", "rate_limited"] {
        let fault = json!({"method": "*", "kind": kind, "count": 4, "seconds": 0.1});
        demo.sandbox_post("faults", &fault).await?;
        assert_ne!(demo.get("/users?limit=1").await?.status, 401, "{kind}");
        demo.get("/proxy/api/users.list?limit=3").await?;
        let sandbox = format!("{}/_sandbox/faults", demo.report.sandbox_url);
        Client::new()?.send(Method::DELETE, &sandbox, &[], None).await?.ok()?;
    }
    Ok(())
}

/// A link page in the browser, and a link for another customer.
async fn link(demo: &Demo, secrets: &mut Secrets) -> anyhow::Result<()> {
    let client = Client::new()?;
    assert_eq!(client.get(&demo.report.link_url).await?.status, 200);
    client.send(Method::POST, &demo.report.link_url, &[], None).await?;
    let body = json!({"tenant_id": "initech", "provider": "slack_enterprise"});
    let created =
        demo.call(Method::POST, "/link-tokens", &demo.report.admin_key, Some(&body)).await?;
    if let Some(Value::String(token)) = created.ok()?.pointer("/result/link_token") {
        secrets.add("link token", token);
    }
    Ok(())
}
