//! `RateLimit` and `RateLimit-Policy`: what is left in the buckets that a request was charged to.

use sqlx::PgPool;

use super::TIME_SCALE;
use crate::support::{ApiResponse, TestApp};

async fn with_time_scale(pool: PgPool) -> anyhow::Result<TestApp> {
    TestApp::with(pool, |setup| {
        setup.sandbox.time_scale = TIME_SCALE;
        setup.config.limits.time_scale = TIME_SCALE;
        setup.config.limits.arrival_spread_ms = 0;
    })
    .await
}

/// Returns the number behind `;NAME=` of the first policy of a header.
#[track_caller]
fn number(response: &ApiResponse, header: &str, name: &str) -> u64 {
    let text = response.header(header);
    let rest =
        text.split(&format!(";{name}=")).nth(1).and_then(|rest| rest.split([';', ',']).next());
    let number = rest.and_then(|number| number.parse().ok());
    assert!(number.is_some(), "{header}: {text}");
    number.unwrap_or_default()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_response_reports_what_is_left_in_the_methods_bucket(pool: PgPool) -> anyhow::Result<()> {
    let app = with_time_scale(pool).await?;
    let api = app.linked_client().await?;
    let first = api.get("workspaces?limit=1").await?;
    assert_eq!(first.status, 200, "{}", first.text);
    let policy = "\"admin.teams.list\";q=3000;w=60";
    assert_eq!(first.header("ratelimit-policy"), policy);
    assert_eq!(number(&first, "ratelimit", "r"), 11);
    let second = api.get("proxy/api/admin.teams.list?limit=1").await?;
    assert_eq!(second.status, 200, "{}", second.text);
    assert_eq!(second.header("ratelimit-policy"), policy, "raw calls have it too");
    assert!(number(&second, "ratelimit", "r") <= 11);
    assert!(number(&second, "ratelimit", "t") <= 1);
    let ours = api.get("integrated-accounts").await?;
    assert_eq!((ours.status, ours.header("ratelimit")), (200, ""), "no header of the provider");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_call_of_several_buckets_reports_each_tightest_first(pool: PgPool) -> anyhow::Result<()> {
    let app = with_time_scale(pool).await?;
    let api = app.linked_client().await?;
    let user = api.get("users?limit=1").await?.success()?;
    let user = user.pointer("/result/0/id").and_then(|id| id.as_str()).unwrap_or_default();
    let response = api.get(&format!("proxy/scim/v2/Users/{user}")).await?;
    assert_eq!(response.status, 200, "{}", response.text);
    let policy = "\"scim.users.get\";q=18000;w=60, \"scim.read\";q=60000;w=60";
    assert_eq!(response.header("ratelimit-policy"), policy);
    assert_eq!(number(&response, "ratelimit", "r"), 299);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_rejected_call_reports_its_bucket_too(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.config.limits.time_scale = 1.0).await?;
    let api = app.linked_client().await?.with("prefer", "wait=0")?;
    let rejected = loop {
        let response = api.get("workspaces?limit=1").await?;
        if response.status != 200 {
            break response;
        }
    };
    rejected.problem(429, "rate_limited");
    assert_eq!(number(&rejected, "ratelimit", "r"), 0);
    let retry: u64 = rejected.header("retry-after").parse()?;
    assert!((1..=15).contains(&retry), "tier 3 has a permit each 1.2 s: {retry}");
    assert!(number(&rejected, "ratelimit", "t") >= 10, "{}", rejected.header("ratelimit"));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn truto_paths_have_its_three_headers(pool: PgPool) -> anyhow::Result<()> {
    let app = with_time_scale(pool).await?;
    let api = app.linked_client().await?;
    let account = api.get("me").await?;
    assert_eq!(account.header("ratelimit-limit"), "", "ours are the IETF's");
    let page = api.get("unified/user-directory/workspaces?limit=1").await?;
    assert_eq!(page.status, 200, "{}", page.text);
    assert_eq!(page.header("ratelimit-limit"), "3000");
    let left: u64 = page.header("ratelimit-remaining").parse()?;
    assert!((1..=12).contains(&left), "{left}");
    assert!(page.header("ratelimit-reset").parse::<u64>()? <= 1);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_configured_rate_overrides_the_default(pool: PgPool) -> anyhow::Result<()> {
    let pace = switchboard::config::RateOverride { per_minute: 7.0, burst: 3 };
    let app = TestApp::with(pool, |setup| {
        setup.config.limits.time_scale = 1.0;
        setup.config.limits.arrival_spread_ms = 0;
        let overrides = &mut setup.config.limits.overrides;
        let own = overrides.entry("slack_enterprise".to_owned()).or_default();
        own.insert("admin.teams.list".to_owned(), pace);
    })
    .await?;
    let api = app.linked_client().await?.with("prefer", "wait=0")?;
    let first = api.get("workspaces?limit=1").await?;
    assert_eq!(first.header("ratelimit-policy"), "\"admin.teams.list\";q=7;w=60");
    assert_eq!(number(&first, "ratelimit", "r"), 2);
    for status in [200, 200, 429] {
        assert_eq!(api.get("workspaces?limit=1").await?.status, status);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_a_rate_for_an_unknown_method_at_startup(pool: PgPool) -> anyhow::Result<()> {
    let pace = switchboard::config::RateOverride { per_minute: 7.0, burst: 3 };
    for (provider, budget, fix) in [
        ("slack_enterprise", "admin.team.list", "config/slack_enterprise.toml"),
        ("scim", "admin.teams.list", "its only one is `scim`"),
    ] {
        let built = TestApp::with(pool.clone(), |setup| {
            let overrides = &mut setup.config.limits.overrides;
            overrides.entry(provider.to_owned()).or_default().insert(budget.to_owned(), pace);
        })
        .await;
        let error = built.err().map(|error| error.to_string()).unwrap_or_default();
        let place = format!("limits.overrides.{provider}.\"{budget}\"");
        assert!(error.contains(&place) && error.contains(fix), "{error}");
    }
    Ok(())
}
