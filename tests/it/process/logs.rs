//! The logs at their most talkative: no secret, no address, no name.

use reqwest::Method;
use serde_json::{Value, json};

use super::demo::Demo;
use super::home::Home;
use super::leaks::Secrets;
use super::talk::{Client, text};

#[tokio::test]
async fn logs_for_people_tell_no_secret() -> anyhow::Result<()> {
    tells_no_secret("pretty").await
}

#[tokio::test]
async fn logs_for_machines_tell_no_secret() -> anyhow::Result<()> {
    tells_no_secret("json").await
}

async fn tells_no_secret(format: &str) -> anyhow::Result<()> {
    let home = Home::new()?;
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
        assert!(log.contains(speaker), "{speaker} is silent: is the filter at work?");
    }
    let mut told = secrets.told_in(&log);
    told.extend(secrets.told_in(&std::fs::read_to_string(data.join("postgres.log"))?));
    assert!(!log.contains('\u{1b}'), "colours, though this is no terminal");
    assert!(told.is_empty(), "{} lines:\n{}", told.len(), told.join("\n"));
    if format == "json" {
        let report = &demo.report;
        let whose = [&report.environment_id, &report.integrated_account_id];
        assert!(says_whose_it_was(&log, whose), "no line tells whose a request was");
    }
    Ok(())
}

/// Whether a request for people was logged with its id, environment, account, method, route, status and time.
fn says_whose_it_was(log: &str, [environment, account]: [&String; 2]) -> bool {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut told = lines.filter_map(|line| line.get("fields").cloned());
    told.any(|fields| {
        let is = |name: &str, value: &str| fields.get(name) == Some(&json!(value));
        is("environment", environment)
            && is("account", account)
            && is("method", "GET")
            && is("route", "/users")
            && fields.get("status") == Some(&json!(200))
            && ["request_id", "ms"].iter().all(|name| fields.get(*name).is_some())
    })
}

/// Reads people in every way, and remembers who they are.
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
    demo.get("/proxy/api/auth.test").await?.ok()?;
    demo.get("/proxy/scim/v2/Users?count=5").await?.ok()?;
    demo.get(&format!("/proxy/scim/v2/Users?filter=email%20eq%20%22{address}%22")).await?;
    demo.get(&format!("/proxy/api/users.lookupByEmail?email={address}")).await?;
    let token = demo.account_token().await?;
    secrets.add("account token", &token);
    demo.call(Method::GET, "/users?limit=1", &token, None).await?.ok()?;
    Ok(())
}

/// Everything that is refused, with something in it that is nobody's business.
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

/// A refresh that the provider spoils at first, and one on demand.
async fn renew(demo: &Demo) -> anyhow::Result<()> {
    demo.age_tokens().await?;
    for kind in ["cut_body", "server_error"] {
        let fault = json!({"method": "oauth.v2.access", "kind": kind, "count": 1});
        demo.tell_sandbox("faults", &fault).await?;
    }
    demo.get("/users?limit=1").await?.ok()?;
    let path = format!("/integrated-accounts/{}/refresh", demo.report.integrated_account_id);
    demo.call(Method::POST, &path, &demo.report.api_key, None).await?.ok()?;
    Ok(())
}

/// A provider in all kinds of trouble.
async fn fail(demo: &Demo) -> anyhow::Result<()> {
    for kind in ["server_error", "html", "cut_body", "lost_answer", "rate_limited"] {
        let fault = json!({"method": "*", "kind": kind, "count": 4, "seconds": 0.1});
        demo.tell_sandbox("faults", &fault).await?;
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
    let wish = json!({"tenant_id": "initech", "provider": "slack_enterprise"});
    let made = demo.call(Method::POST, "/link-tokens", &demo.report.admin_key, Some(&wish)).await?;
    if let Some(Value::String(token)) = made.ok()?.pointer("/result/link_token") {
        secrets.add("link token", token);
    }
    Ok(())
}
