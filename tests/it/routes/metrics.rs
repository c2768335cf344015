//! `/metrics`: every metric is served and counts; no label contains personal data.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde_json::json;
use sqlx::PgPool;
use switchboard::sandbox::{Fault, FaultKind};
use switchboard::telemetry::names;
use time::Duration;

use crate::support::{Client, TestApp};

const PAGE: &str = include_str!("../../../docs/METRICS.md");

async fn text(client: &Client) -> anyhow::Result<String> {
    let response = client.get("metrics").await?;
    assert_eq!(response.status, 200, "{}", response.text);
    assert!(response.header("content-type").starts_with("application/openmetrics-text"));
    assert!(response.text.ends_with("# EOF\n"), "{}", response.text);
    Ok(response.text)
}

/// Returns the value of the sample with this prefix.
fn sample(text: &str, begins: &str) -> anyhow::Result<f64> {
    let line = text.lines().find(|line| line.starts_with(begins));
    let line = line.with_context(|| format!("no {begins} in {text}"))?;
    Ok(line.rsplit(' ').next().unwrap_or_default().parse()?)
}

/// Causes an event of every counted kind.
async fn cause_events(app: &TestApp) -> anyhow::Result<String> {
    let account = app.link("acme").await?;
    let api = app.client_for(&account)?;
    app.sandbox.add_fault(Fault::for_next_calls("admin.users.list", FaultKind::ServerError, 1));
    app.sandbox.add_fault(Fault::for_next_calls("auth.test", FaultKind::RateLimited, 1));
    for path in ["users?limit=1", "proxy/api/auth.test", "proxy/api/U0SECRET", "nothing/here"] {
        api.get(path).await?;
    }
    app.clock.advance(Duration::hours(13));
    app.sandbox.advance_clock(Duration::hours(13));
    app.sandbox.add_fault(Fault::for_next_calls("oauth.v2.access", FaultKind::LostResponse, 1));
    api.get("users?limit=1").await?.success()?;
    app.anonymous()?.get("oauth/callback?state=unknown&code=x").await?;
    Ok(account)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn served_metrics_match_the_documentation(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    cause_events(&app).await?;
    let text = text(&app.anonymous()?).await?;
    let served: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split(' ').next())
        .collect();
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `"));
    let documented: BTreeSet<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    assert_eq!(served, documented);
    assert_eq!(served, BTreeSet::from(names::ALL));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn counts_events(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    cause_events(&app).await?;
    let text = text(&app.anonymous()?).await?;
    let provider = "switchboard_provider_calls_total{provider=\"slack_enterprise\",method=";
    for (begins, value) in [
        ("switchboard_http_requests_total{route=\"/users\",method=\"GET\",status=\"2xx\"}", 2.0),
        ("switchboard_http_requests_total{route=\"unmatched\",method=\"GET\",status=\"4xx\"}", 1.0),
        (&format!("{provider}\"admin.users.list\",outcome=\"completed\"}}"), 2.0),
        (&format!("{provider}\"admin.users.list\",outcome=\"server_error\"}}"), 1.0),
        (&format!("{provider}\"auth.test\",outcome=\"rate_limited\"}}"), 1.0),
        (&format!("{provider}\"other\",outcome=\"completed\"}}"), 1.0),
        ("switchboard_token_refreshes_total{outcome=\"response_lost\"}", 1.0),
        ("switchboard_token_refreshes_total{outcome=\"refreshed\"}", 1.0),
        ("switchboard_token_refreshes_total{outcome=\"rejected\"}", 0.0),
        ("switchboard_token_refresh_duration_seconds_count", 2.0),
        ("switchboard_links_total{outcome=\"linked\"}", 1.0),
        ("switchboard_links_total{outcome=\"stale_session\"}", 1.0),
        ("switchboard_accounts{status=\"active\"}", 1.0),
        ("switchboard_accounts{status=\"needs_reauth\"}", 0.0),
        ("switchboard_oldest_token_age_seconds", 0.0),
        ("switchboard_next_token_end_seconds", 43_200.0),
        ("switchboard_http_requests_in_flight", 1.0),
        ("switchboard_limiter_waiting_calls", 0.0),
        ("switchboard_database_connections_max", 5.0),
        ("switchboard_audit_rows_lost_total", 0.0),
    ] {
        let found = sample(&text, begins)?;
        assert!((found - value).abs() < 0.001, "{begins} is {found} and not {value}:\n{text}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn counts_calls_rejected_by_the_rate_limiter(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| {
        setup.config.limits.max_wait_s = 0.0;
        setup.config.limits.time_scale = 1.0;
    });
    let app = app.await?;
    let api = app.linked_client().await?;
    let mut rejected = 0.0;
    for _ in 0..60 {
        let response = api.get("proxy/api/team.accessLogs").await?;
        rejected += f64::from(u8::from(response.status == 429));
    }
    assert!(rejected > 0.0, "it was never rate limited");
    let begins = "switchboard_limiter_refusals_total{provider=\"slack_enterprise\",\
                  method=\"team.accessLogs\"}";
    let found = sample(&text(&app.anonymous()?).await?, begins)?;
    assert!((found - rejected).abs() < 0.001, "{found} and not {rejected}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn no_label_contains_personal_data(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = cause_events(&app).await?;
    let body = json!({"tenant_id": "acme"});
    let link = app.home.api.post("link-tokens", &body).await?.created()?;
    let url = link["result"]["link_url"].as_str().unwrap_or_default().to_owned();
    let token = url.rsplit('/').next().unwrap_or_default();
    app.anonymous()?.get(&format!("link/{token}")).await?;
    let text = text(&app.anonymous()?).await?;
    let organization = app.sandbox.with_org(|org| org.name.clone());
    let environment = app.home.environment_id.to_string();
    for name in [&account, &organization, &environment, "acme", "U0SECRET", "nothing", token] {
        assert!(!name.is_empty() && !text.contains(name), "{name} is in {text}");
    }
    assert!(text.contains("route=\"/link/{token}\""), "{text}");
    Ok(())
}
