//! The gateway's own errors on raw calls have the provider's error format, and name their problem in a `Link`.

use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::access::Scope;

use crate::support::{Client, ClosedPort, TestApp};

/// A path of each API of the provider.
const PATHS: [&str; 4] = ["api/auth.test", "audit/v1/logs", "scim/v1/Users", "scim/v2/Users"];

/// Calls each path; the errors must be of this kind and have these codes in the Web API and in the audit log.
async fn check_error(
    client: &Client,
    method: Method,
    (status, kind): (u16, &str),
    (web, audit): (&str, &str),
) -> anyhow::Result<()> {
    for path in PATHS {
        let response = client.send(method.clone(), &format!("proxy/{path}"), None).await?;
        let detail = response.api_error(status, kind);
        let body = &response.body;
        match path.split('/').next() {
            Some("api") => {
                assert_eq!((&body["ok"], &body["error"]), (&json!(false), &json!(web)), "{body}");
                let reported =
                    body.pointer("/response_metadata/messages/0").and_then(Value::as_str);
                assert_eq!(reported, Some(&*format!("[ERROR] {detail}")));
                assert_eq!(response.header("content-type"), "application/json; charset=utf-8");
            }
            Some("audit") => {
                assert_eq!((&body["ok"], &body["error"]), (&json!(false), &json!(audit)), "{body}");
            }
            _ if path.contains("v1") => {
                assert_eq!(*body, json!({"Errors": [{"description": detail, "code": status}]}));
            }
            _ => {
                assert_eq!(body["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error"]));
                assert_eq!(body["status"], Value::from(status.to_string()));
                assert_eq!(response.header("content-type"), "application/scim+json; charset=utf-8");
            }
        }
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn errors_have_the_providers_format(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let (api, get) = (app.client_for(&account)?, Method::GET);
    let unauthorized = (401, "unauthorized");
    check_error(
        &app.anonymous()?,
        get.clone(),
        unauthorized,
        ("not_authed", "missing_authentication"),
    )
    .await?;
    let wrong = app.anonymous()?.with("authorization", "Bearer sb_acct_wrong")?;
    check_error(&wrong, get.clone(), unauthorized, ("invalid_auth", "invalid_authentication"))
        .await?;
    let reader = app.client(app.home.environment_id, &[Scope::Read]).await?;
    let reader = reader.with("x-integrated-account-id", &account)?;
    let scope = (403, "insufficient_scope");
    check_error(&reader, get.clone(), scope, ("missing_scope", "missing_scope")).await?;
    let response = reader.get("proxy/api/auth.test").await?;
    assert_eq!(
        (&response.body["needed"], &response.body["provided"]),
        (&json!("proxy"), &json!(""))
    );
    let unnamed = (400, "account_required");
    check_error(&app.home.api, get.clone(), unnamed, ("invalid_arguments", "invalid_arguments"))
        .await?;
    let unknown = app.client_for("acc_01J8ZQ5V9Y3M7T2K4N6P8R0S1T")?;
    let missing = (404, "account_not_found");
    check_error(&unknown, get.clone(), missing, ("invalid_arguments", "invalid_arguments")).await?;
    let malformed = (405, "method_not_allowed");
    check_error(&api, Method::TRACE, malformed, ("unknown_method", "bad_endpoint")).await?;
    api.get("proxy/api/..%2Fx").await?.api_error(404, "unknown_provider_path");
    let nul = api.get("proxy/api/auth.test?a=%00").await?;
    nul.api_error(400, "invalid_query");
    assert_eq!(nul.body["error"], "invalid_arguments");

    api.delete(&format!("integrated-accounts/{account}")).await?;
    app.home.admin.delete(&format!("integrated-accounts/{account}")).await?;
    let removed = (409, "account_disconnected");
    check_error(&api, get, removed, ("account_inactive", "account_inactive")).await?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn load_shedding_and_upstream_errors_have_it_too(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let get = Method::GET;
    let mut full = app.config.clone();
    full.server.max_requests = 0;
    let (url, _) = app.second_gateway(&full).await?;
    let overloaded = (503, "overloaded");
    let code = "service_unavailable";
    check_error(&api.clone().at(url.clone()), get.clone(), overloaded, (code, code)).await?;
    let response = api.clone().at(url).get("proxy/api/auth.test").await?;
    assert_eq!(response.header("retry-after"), "1");

    let mut lost = app.config.clone();
    let closed = ClosedPort::reserve()?;
    let address = closed.address()?;
    lost.slack_enterprise.web_url = format!("http://{address}");
    lost.slack_enterprise.api_url = format!("http://{address}");
    let (url, _) = app.second_gateway(&lost).await?;
    let failed = (502, "provider_error");
    check_error(&api.clone().at(url), get, failed, ("internal_error", "internal_error")).await?;

    let mut guarded = app.config.clone();
    guarded.server.failed_auth_per_minute = 1;
    let (url, _) = app.second_gateway(&guarded).await?;
    let wrong = app.anonymous()?.with("authorization", "Bearer sb_acct_wrong")?.at(url);
    wrong.get("proxy/api/auth.test").await?.api_error(401, "unauthorized");
    let throttled = wrong.get("proxy/api/auth.test").await?;
    throttled.api_error(429, "too_many_wrong_keys");
    assert_eq!(throttled.body["error"], "ratelimited");
    assert!((1..=60).contains(&throttled.header("retry-after").parse::<u64>()?));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_rate_limited_call_gets_slacks_format(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| {
        setup.config.limits.max_wait_s = 0.0;
        setup.config.limits.time_scale = 1.0;
    });
    let app = app.await?;
    let api = app.linked_client().await?;
    for _ in 0..60 {
        let response = api.get("proxy/api/team.accessLogs").await?;
        if response.status == 429 {
            response.api_error(429, "rate_limited");
            assert_eq!(
                (&response.body["ok"], &response.body["error"]),
                (&json!(false), &json!("ratelimited"))
            );
            assert!(response.header("retry-after").parse::<u64>()? > 0);
            return Ok(());
        }
    }
    anyhow::bail!("no call was beyond the rate")
}
