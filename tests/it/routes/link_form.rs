//! Accounts that are linked by a form: URL of a SCIM service and a token, verified before they are stored.
//! The sandbox's SCIM 2.0 is the service.

use std::io::Write as _;
use std::net::TcpListener;

use anyhow::Context as _;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::{DEFAULT_CLIENT_ID, Fault, FaultKind};
use url::Url;
use url::form_urlencoded::Serializer;

use crate::support::{ApiResponse, Browser, Client, ClosedPort, TestApp, link_url};

/// Starts a gateway that lets customers connect to loopback addresses; returns the URL of the sandbox.
async fn open_app(pool: PgPool) -> anyhow::Result<(TestApp, String)> {
    let mut sandbox_url = String::new();
    let app = TestApp::with(pool, |setup| {
        setup.config.upstream.allow_private_addresses = true;
        sandbox_url.clone_from(&setup.config.slack_enterprise.api_url);
    })
    .await?;
    Ok((app, format!("{sandbox_url}/scim/v2")))
}

/// Returns a token that the service accepts.
fn token(app: &TestApp) -> anyhow::Result<String> {
    Ok(app.sandbox.install(DEFAULT_CLIENT_ID, &["admin"])?.access_token)
}

async fn scim_link(app: &TestApp, more: Value) -> anyhow::Result<Url> {
    let mut body = json!({"tenant_id": "acme", "provider": "scim"});
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    link_url(&app.home, &body).await
}

/// Submits the form of a link.
async fn fill(link: &Url, base_url: &str, token: &str) -> anyhow::Result<(u16, String)> {
    let mut form = Serializer::new(String::new());
    form.extend_pairs([("provider", "scim"), ("base_url", base_url), ("token", token)]);
    let page = Browser::new()?.post(link, &form.finish()).await?;
    Ok((page.status, page.text))
}

async fn account(app: &TestApp) -> anyhow::Result<Value> {
    let list = app.home.api.get("integrated-accounts?provider=scim").await?.success()?;
    assert_eq!(list.get("result_count"), Some(&json!(1)), "{list}");
    list.pointer("/result/0").cloned().context("no account")
}

fn id(resource: &Value) -> &str {
    resource.get("id").and_then(Value::as_str).unwrap_or_default()
}

async fn link_status(link: &Url) -> anyhow::Result<Value> {
    let status = Url::parse(&format!("{link}/status"))?;
    Client::new(status)?.get("").await?.success()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn connects_a_directory_by_url_and_token(pool: PgPool) -> anyhow::Result<()> {
    let (app, base_url) = open_app(pool).await?;
    let link = scim_link(&app, json!({"context": {"plan": "gold"}})).await?;
    let page = Browser::new()?.get(&link).await?;
    assert_eq!(page.status, 200);
    for part in [r#"name="base_url""#, r#"type="password""#, "Connect your directory"] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    let (status, text) = fill(&link, &base_url, &token(&app)?).await?;
    assert_eq!(status, 200, "{text}");
    assert!(text.contains("is connected"), "{text}");

    let account = account(&app).await?;
    assert_eq!(account["status"], "active");
    assert_eq!(account["base_url"], format!("{base_url}/"));
    assert_eq!(account["organization"]["id"], account["base_url"]);
    assert_eq!(account["context"]["plan"], "gold");
    assert_eq!(
        (&account["provider_app_id"], &account["installer_id"]),
        (&Value::Null, &Value::Null)
    );
    let done = link_status(&link).await?;
    assert_eq!((&done["status"], &done["provider"]), (&json!("linked"), &json!("scim")));
    assert_eq!(fill(&link, &base_url, &token(&app)?).await?.0, 410, "it works once");
    reads(&app.client_for(id(&account))?).await?;

    let removed =
        app.home.api.delete(&format!("integrated-accounts/{}", id(&account))).await?.success()?;
    assert_eq!(removed["result"]["status"], "disconnected");
    Ok(())
}

/// Reads all resources of such an account.
async fn reads(api: &Client) -> anyhow::Result<()> {
    let raw = api.get("proxy/Users?count=1000").await?.success()?;
    let total = raw.get("totalResults").and_then(Value::as_u64).context("no total")?;
    let (users, _) = api.all("users?limit=37").await?;
    assert_eq!(users.len() as u64, total);
    let first = users.first().context("no users")?;
    let one = api.get(&format!("users/{}", id(first))).await?.success()?;
    assert_eq!(one.pointer("/result/emails"), first.get("emails"));
    let email = first.pointer("/emails/0/email").and_then(Value::as_str);
    assert!(email.is_some_and(|email| email.contains('@')), "{first}");
    let with = |field, value: fn(&Value) -> bool| {
        users.iter().any(|user| user.get(field).is_some_and(value))
    };
    assert!(with("department", Value::is_string));
    assert!(
        with("status", |status| status == "inactive")
            && with("status", |status| status == "active")
    );
    let is_named = |user: &Value| {
        let text = |field| user.get(field).and_then(Value::as_str);
        text("name").is_none_or(|name| !name.is_empty())
            && text("first_name")
                .is_none_or(|first| text("name").is_some_and(|name| name.starts_with(first)))
    };
    assert!(users.iter().all(is_named), "{users:?}");
    let (groups, _) = api.all("groups?limit=3").await?;
    assert!(groups.len() > 3, "{groups:?}");
    for nothing in ["users/nobody", "users/..%2fGroups"] {
        assert_eq!(api.get(nothing).await?.status, 404, "{nothing}");
    }
    for unsupported in ["workspaces", "me"] {
        api.get(unsupported).await?.problem(501, "unsupported_by_provider");
    }
    for outside in
        ["proxy/Users/..%2f..%2fapi", "proxy//api/auth.test", "proxy/https://example.com"]
    {
        api.get(outside).await?.api_error(404, "unknown_provider_path");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_form_shows_errors_and_creates_no_account(pool: PgPool) -> anyhow::Result<()> {
    let (app, base_url) = open_app(pool).await?;
    let link = scim_link(&app, json!({})).await?;
    let good = token(&app)?;
    let closed = ClosedPort::reserve()?;
    let anonymous = closed.address()?;
    let rows = [
        (base_url.as_str(), "wrong", 422, "not_accepted"),
        (base_url.as_str(), "", 422, "unusable_credentials"),
        (base_url.as_str(), "a\nb", 422, "not_accepted"),
        (&base_url.replace("/scim/v2", "/api"), &good, 422, "not_the_provider"),
        (&base_url.replace("/scim/v2", ""), &good, 422, "not_the_provider"),
        ("scim.example.com", &good, 422, "unusable_base_url"),
        ("ftp://scim.example.com", &good, 422, "unusable_base_url"),
        ("https://me:secret@scim.example.com", &good, 422, "unusable_base_url"),
        (&format!("http://{anonymous}/"), &good, 422, "not_the_provider"),
    ];
    for (address, token, expected, code) in rows {
        let (status, text) = fill(&link, address, token).await?;
        assert_eq!(status, expected, "{address} {code}: {text}");
        assert!(text.contains(r#"role="alert""#) && text.contains(r#"name="token""#), "{text}");
        assert!(token.len() < 3 || !text.contains(token), "the token is shown again: {text}");
        assert_eq!(link_status(&link).await?, json!({"status": "failed", "code": code}));
    }
    let accounts = app.home.api.get("integrated-accounts").await?.success()?;
    assert_eq!(accounts["result_count"], 0);
    assert_eq!(fill(&link, &base_url, &good).await?.0, 200, "the link is good until it works");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn limits_attempts_of_a_form_and_reports_all_failures_alike(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (app, base_url) = open_app(pool).await?;
    let link = scim_link(&app, json!({})).await?;
    let good = token(&app)?;
    let closed = ClosedPort::reserve()?;
    let closed = format!("http://{}/", closed.address()?);
    let over_tls = base_url.replace("http://", "https://");
    let not_found = base_url.replace("/scim/v2", "/api/nothing");
    let mut pages = Vec::new();
    for address in [&closed, &over_tls, &not_found, &base_url.replace("/scim/v2", "")] {
        let (status, text) = fill(&link, address, &good).await?;
        pages.push((status, text.replace(address, ""), link_status(&link).await?));
    }
    let first = pages.first().context("no page")?;
    assert_eq!(first.0, 422);
    for page in &pages {
        assert_eq!(page, first, "a page distinguishes the causes");
    }
    // A form that is not sent costs no attempt.
    for _ in 0..30 {
        assert_eq!(fill(&link, "scim.example.com", &good).await?.0, 422);
    }
    for _ in pages.len()..20 {
        assert_eq!(fill(&link, &base_url, "wrong").await?.0, 422);
    }
    let (status, text) = fill(&link, &base_url, &good).await?;
    assert_eq!(status, 429, "{text}");
    assert_eq!(link_status(&link).await?, json!({"status": "failed", "code": "too_many_attempts"}));
    // The links of an environment share a larger allowance.
    let link = scim_link(&app, json!({})).await?;
    sqlx::query("update link_tokens set attempts = 500 where attempted_at is not null")
        .execute(&app.pool)
        .await?;
    assert_eq!(fill(&link, &base_url, &good).await?.0, 429);
    let other = app.tenant("other").await?;
    let others = link_url(&other, &json!({"tenant_id": "acme", "provider": "scim"})).await?;
    assert_eq!(fill(&others, &base_url, &good).await?.0, 200, "another environment");
    app.clock.advance(time::Duration::minutes(61));
    let link = scim_link(&app, json!({})).await?;
    assert_eq!(fill(&link, &base_url, &good).await?.0, 200, "an hour later");
    Ok(())
}

/// Starts a server whose response never ends; returns its URL, and at the end how much it sent.
fn endless() -> anyhow::Result<(String, std::thread::JoinHandle<usize>)> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = format!("http://{}/", listener.local_addr()?);
    let sender = std::thread::spawn(move || {
        let Ok((mut stream, _)) = listener.accept() else { return 0 };
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/scim+json\r\n\r\n";
        let (mut sent, blank) = (0, vec![b' '; 64 << 10]);
        if stream.write_all(head.as_bytes()).is_err() {
            return sent;
        }
        while sent < 256 << 20 && stream.write_all(&blank).is_ok() {
            sent += 64 << 10;
        }
        sent
    });
    Ok((address, sender))
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn stops_reading_an_endless_response(pool: PgPool) -> anyhow::Result<()> {
    let (app, _) = open_app(pool).await?;
    let link = scim_link(&app, json!({})).await?;
    let (address, sender) = endless()?;
    let (status, text) = fill(&link, &address, "token").await?;
    assert_eq!(status, 422, "{text}");
    let sent = sender.join().map_err(|_| anyhow::anyhow!("the server failed"))?;
    assert!(sent < 64 << 20, "{sent} bytes were taken");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn never_connects_to_internal_addresses(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let link = scim_link(&app, json!({})).await?;
    let inside = TcpListener::bind("127.0.0.1:0")?;
    inside.set_nonblocking(true)?;
    let port = inside.local_addr()?.port();
    let hosts = ["127.0.0.1", "localhost", "127.1", "2130706433", "[::ffff:127.0.0.1]", "0.0.0.0"];
    for host in hosts {
        let (status, text) = fill(&link, &format!("https://{host}:{port}/"), "token").await?;
        assert_eq!(status, 422, "{host}: {text}");
        assert!(inside.accept().is_err(), "{host} was called");
    }
    let (status, _) = fill(&link, &format!("http://127.0.0.1:{port}/"), "token").await?;
    assert_eq!(status, 422, "without TLS");
    assert!(inside.accept().is_err());
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_customer_chooses_among_several_kinds(pool: PgPool) -> anyhow::Result<()> {
    let (app, base_url) = open_app(pool).await?;
    let both = json!({"tenant_id": "acme", "providers": ["slack_enterprise", "scim"]});
    let link = link_url(&app.home, &both).await?;
    let mut browser = Browser::new()?;
    let page = browser.get(&link).await?.text;
    assert!(page.contains("Slack Enterprise Grid") && page.contains("SCIM 2.0"), "{page}");
    assert!(!page.contains("<form"), "{page}");
    let at = |provider: &str| Url::parse(&format!("{link}?provider={provider}"));
    assert!(browser.get(&at("scim")?).await?.text.contains(r#"name="base_url""#));
    assert!(browser.get(&at("slack_enterprise")?).await?.text.contains("Continue to Slack"));
    assert_eq!(browser.get(&at("teams")?).await?.status, 400);

    let left = browser.post(&link, "provider=slack_enterprise").await?;
    let consent = left.location.context("the consent")?;
    assert!(consent.path().contains("/oauth/v2/authorize"), "{consent}");
    assert_eq!(fill(&link, &base_url, &token(&app)?).await?.0, 200, "changed their mind");
    assert_eq!(account(&app).await?["provider"], "scim");

    let slack = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    let (status, text) = fill(&slack, &base_url, &token(&app)?).await?;
    assert_eq!(status, 400, "it is not on offer there: {text}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_new_token_replaces_a_revoked_one(pool: PgPool) -> anyhow::Result<()> {
    let (app, base_url) = open_app(pool).await?;
    let first = token(&app)?;
    let link = scim_link(&app, json!({})).await?;
    assert_eq!(fill(&link, &base_url, &first).await?.0, 200);
    let account_id = id(&account(&app).await?).to_owned();
    let api = app.client_for(&account_id)?;
    let provider = Url::parse(&base_url)?.join("/")?;
    let theirs = Client::new(provider)?.with("authorization", &format!("Bearer {first}"))?;
    theirs.send(Method::POST, "api/auth.revoke", None).await?.success()?;
    for path in ["users", "proxy/Users", "groups"] {
        api.get(path).await?.api_error(409, "account_needs_reauth");
    }
    assert_eq!(account(&app).await?["status"], "needs_reauth");

    let again = json!({"tenant_id": "acme", "integrated_account_id": account_id});
    let link = link_url(&app.home, &again).await?;
    let second = token(&app)?;
    let elsewhere = base_url.replace("/v2", "/v2/");
    let other = base_url.replace("127.0.0.1", "localhost");
    let (status, text) = fill(&link, &other, &second).await?;
    assert_eq!(status, 409, "another address is another organization: {text}");
    assert_eq!(fill(&link, &elsewhere, &second).await?.0, 200, "the same in another spelling");
    let restored = account(&app).await?;
    assert_eq!((id(&restored), &restored["status"]), (account_id.as_str(), &json!("active")));
    api.get("users?limit=1").await?.success()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_a_contradictory_link_request(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let rejected = async |body: Value| -> anyhow::Result<ApiResponse> {
        app.home.api.post("link-tokens", &body).await
    };
    for providers in [json!(["scim", "scim"]), json!(["slack_enterprise", "scim"])] {
        let is_twice = providers[0] == providers[1];
        let mut body = json!({"tenant_id": "acme", "providers": providers});
        if !is_twice {
            body["provider"] = json!("scim");
        }
        let response = rejected(body).await?;
        response.problem(422, "invalid_body");
        let pointers: &[&str] =
            if is_twice { &["/providers"] } else { &["/provider", "/providers"] };
        assert_eq!(response.pointers(), pointers);
    }
    let app_of_scim = json!({"provider": "scim", "client_id": "1", "client_secret": "2"});
    let response = app.home.admin.post("provider-apps", &app_of_scim).await?;
    response.problem(422, "invalid_body");
    assert_eq!(response.pointers(), ["/provider"]);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn customers_of_one_service_have_separate_rate_limits(pool: PgPool) -> anyhow::Result<()> {
    let (app, base_url) = open_app(pool).await?;
    let mut clients = Vec::new();
    for tenant in ["acme", "globex"] {
        let link = link_url(&app.home, &json!({"tenant_id": tenant, "provider": "scim"})).await?;
        let (status, text) = fill(&link, &base_url, &token(&app)?).await?;
        assert_eq!(status, 200, "{text}");
        let path = format!("integrated-accounts?tenant_id={tenant}");
        let accounts = app.home.api.get(&path).await?.success()?;
        let account = accounts.pointer("/result/0").context("no account")?;
        clients.push(app.client_for(id(account))?.with("prefer", "wait=0")?);
    }
    let [first, second] = clients.as_slice() else { anyhow::bail!("two were linked") };
    let fault = Fault::for_next_calls("scim.users.list", FaultKind::RateLimited, 1);
    app.sandbox.add_fault(Fault { seconds: Some(600.0), ..fault });
    for _ in 0..2 {
        let reported = first.get("proxy/Users?count=1").await?;
        reported.api_error(429, "rate_limited");
    }
    second.get("proxy/Users?count=1").await?.success()?;
    Ok(())
}
