//! `RateLimit` and `RateLimit-Policy`: what is left of the budgets that a request took from.

use sqlx::PgPool;

use super::BRISK;
use crate::support::{Answer, TestApp};

async fn brisk(pool: PgPool) -> anyhow::Result<TestApp> {
    TestApp::with(pool, |setup| {
        setup.sandbox.time_scale = BRISK;
        setup.config.limits.time_scale = BRISK;
        setup.config.limits.arrival_spread_ms = 0;
    })
    .await
}

/// The number behind `;NAME=` of the first budget of a header.
#[track_caller]
fn number(answer: &Answer, header: &str, name: &str) -> u64 {
    let text = answer.header(header);
    let rest =
        text.split(&format!(";{name}=")).nth(1).and_then(|rest| rest.split([';', ',']).next());
    let number = rest.and_then(|number| number.parse().ok());
    assert!(number.is_some(), "{header}: {text}");
    number.unwrap_or_default()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_answer_tells_what_is_left_of_the_methods_budget(pool: PgPool) -> anyhow::Result<()> {
    let app = brisk(pool).await?;
    let api = app.linked().await?;
    let first = api.get("workspaces?limit=1").await?;
    assert_eq!(first.status, 200, "{}", first.text);
    let policy = "\"admin.teams.list\";q=3000;w=60";
    assert_eq!(first.header("ratelimit-policy"), policy);
    assert_eq!(number(&first, "ratelimit", "r"), 11);
    let second = api.get("proxy/api/admin.teams.list?limit=1").await?;
    assert_eq!(second.status, 200, "{}", second.text);
    assert_eq!(second.header("ratelimit-policy"), policy, "raw calls are told too");
    assert!(number(&second, "ratelimit", "r") <= 11);
    assert!(number(&second, "ratelimit", "t") <= 1);
    let ours = api.get("integrated-accounts").await?;
    assert_eq!((ours.status, ours.header("ratelimit")), (200, ""), "nothing of the provider's");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_call_of_several_budgets_tells_each_the_tightest_first(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = brisk(pool).await?;
    let api = app.linked().await?;
    let user = api.get("users?limit=1").await?.okay()?;
    let user = user.pointer("/result/0/id").and_then(|id| id.as_str()).unwrap_or_default();
    let answer = api.get(&format!("proxy/scim/v2/Users/{user}")).await?;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let policy = "\"scim.users.get\";q=18000;w=60, \"scim.read\";q=60000;w=60";
    assert_eq!(answer.header("ratelimit-policy"), policy);
    assert_eq!(number(&answer, "ratelimit", "r"), 299);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn who_is_refused_is_told_too(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.config.limits.time_scale = 1.0).await?;
    let api = app.linked().await?.with("prefer", "wait=0")?;
    let refused = loop {
        let answer = api.get("workspaces?limit=1").await?;
        if answer.status != 200 {
            break answer;
        }
    };
    refused.problem(429, "rate_limited");
    assert_eq!(number(&refused, "ratelimit", "r"), 0);
    let retry: u64 = refused.header("retry-after").parse()?;
    assert!((1..=15).contains(&retry), "tier 3 has a turn each 1.2 s: {retry}");
    assert!(number(&refused, "ratelimit", "t") >= 10, "{}", refused.header("ratelimit"));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_other_apis_paths_have_its_three_headers(pool: PgPool) -> anyhow::Result<()> {
    let app = brisk(pool).await?;
    let api = app.linked().await?;
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
async fn the_operators_own_rate_holds(pool: PgPool) -> anyhow::Result<()> {
    let pace = switchboard::config::Pace { per_minute: 7.0, burst: 3 };
    let app = TestApp::with(pool, |setup| {
        setup.config.limits.time_scale = 1.0;
        setup.config.limits.arrival_spread_ms = 0;
        let overrides = &mut setup.config.limits.overrides;
        let own = overrides.entry("slack_enterprise".to_owned()).or_default();
        own.insert("admin.teams.list".to_owned(), pace);
    })
    .await?;
    let api = app.linked().await?.with("prefer", "wait=0")?;
    let first = api.get("workspaces?limit=1").await?;
    assert_eq!(first.header("ratelimit-policy"), "\"admin.teams.list\";q=7;w=60");
    assert_eq!(number(&first, "ratelimit", "r"), 2);
    for status in [200, 200, 429] {
        assert_eq!(api.get("workspaces?limit=1").await?.status, status);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_rate_for_a_method_that_is_none_is_refused_at_the_start(
    pool: PgPool,
) -> anyhow::Result<()> {
    let pace = switchboard::config::Pace { per_minute: 7.0, burst: 3 };
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
