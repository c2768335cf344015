//! `Retry-After` in each form that servers send, on 429 and 503, of the provider and of its token endpoint.

use http::Method;
use sqlx::PgPool;
use switchboard::domain::clock::Clock as _;
use time::format_description::FormatItem;
use time::macros::format_description;
use time::{Duration, OffsetDateTime};

use crate::support::{Script, TestApp};

/// The three date formats of RFC 9110 §5.6.7.
const DATES: [&[FormatItem<'_>]; 3] = [
    format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    ),
    format_description!(
        "[weekday], [day]-[month repr:short]-[year repr:last_two] [hour]:[minute]:[second] GMT"
    ),
    format_description!(
        "[weekday repr:short] [month repr:short] [day padding:space] [hour]:[minute]:[second] [year]"
    ),
];

/// A value of the header, and the bounds of the pause in seconds that the caller gets.
fn rows(now: OffsetDateTime) -> anyhow::Result<Vec<(String, [u64; 2])>> {
    let mut rows = Vec::new();
    for form in DATES {
        rows.push(((now + Duration::seconds(90)).format(form)?, [89, 90]));
        // A date in the past requests no pause: the default applies.
        rows.push(((now - Duration::seconds(90)).format(form)?, [1, 1]));
    }
    rows.push(((now + Duration::days(9)).format(DATES[0])?, [3600, 3600]));
    for (value, reported) in
        [("75", 75), ("2.5", 3), ("0.2", 1), ("0", 1), ("-7", 1), ("soon", 1), ("", 1)]
    {
        rows.push((value.to_owned(), [reported, reported]));
    }
    rows.push(("99999999999999999999".to_owned(), [3600, 3600]));
    Ok(rows)
}

/// Methods of Slack without arguments, each with a bucket of its own.
const METHODS: [&str; 15] = [
    "admin.apps.approved.list",
    "admin.apps.requests.list",
    "admin.apps.restricted.list",
    "admin.barriers.list",
    "admin.conversations.search",
    "admin.emoji.list",
    "admin.functions.list",
    "admin.inviteRequests.list",
    "admin.roles.listAssignments",
    "admin.teams.list",
    "admin.usergroups.listChannels",
    "admin.users.list",
    "admin.workflows.search",
    "team.info",
    "users.list",
];

fn refusal(status: u16, retry_after: &str) -> Script {
    let headers = vec![("retry-after", retry_after.to_owned())];
    Script::Respond { status, headers, body: "" }
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reads_every_form_of_a_pause(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let (url, provider) = app.through_fault_proxy(|_| {}).await?;
    let api = app.client_for(&account)?.at(url).with("prefer", "wait=0")?;
    let rows = rows(app.clock.now())?;
    assert_eq!(rows.len(), METHODS.len(), "each row takes a method");
    for ((value, [least, most]), method) in rows.into_iter().zip(METHODS) {
        provider.set(&format!("/api/{method}"), refusal(429, &value));
        let rejected = api.get(&format!("proxy/api/{method}")).await?;
        rejected.api_error(429, "rate_limited");
        let reported = rejected.header("retry-after").parse().unwrap_or_default();
        assert!((least..=most).contains(&reported), "{value:?}: {reported} {}", rejected.text);
        assert_eq!(provider.calls(&format!("/api/{method}")), 1, "{value:?}: not repeated");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn respects_the_pause_of_an_unavailable_provider(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let (url, provider) = app.through_fault_proxy(|_| {}).await?;
    let api = app.client_for(&account)?.at(url);
    // Longer than the request may wait: reported to the caller, and not retried before.
    let later = (app.clock.now() + Duration::seconds(90)).format(DATES[0])?;
    for (value, reported) in [("90", 90), ("89.5", 90), (later.as_str(), 90)] {
        let before = provider.calls("/api/admin.teams.list");
        provider.set("/api/admin.teams.list", refusal(503, value));
        let failed = api.get("workspaces?limit=1").await?;
        let problem = failed.problem(502, "provider_error");
        let pause = problem["retry_after_s"].as_u64().unwrap_or_default();
        assert!((reported - 1..=reported).contains(&pause), "{value}: {problem}");
        assert_eq!(provider.calls("/api/admin.teams.list") - before, 1, "{value}");
    }
    // A short one is waited for before each retry.
    provider.set("/api/admin.teams.list", refusal(503, "0.4"));
    let (began, before) = (std::time::Instant::now(), provider.calls("/api/admin.teams.list"));
    api.get("workspaces?limit=1").await?.problem(502, "provider_error");
    assert_eq!(provider.calls("/api/admin.teams.list") - before, 4);
    assert!(began.elapsed().as_secs_f64() >= 1.2, "{:?}", began.elapsed());
    // The caller of a raw call gets the provider's own header.
    provider.set("/api/auth.revoke", refusal(503, &later));
    let raw = api.send(Method::POST, "proxy/api/auth.revoke", Some(("text/plain", ""))).await?;
    assert_eq!((raw.status, raw.header("retry-after")), (503, later.as_str()));
    assert_eq!(provider.calls("/api/auth.revoke"), 1);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn respects_the_pause_of_the_token_endpoint(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let (url, provider) = app.through_fault_proxy(|_| {}).await?;
    let api = app.client_for(&account)?.at(url);
    for (status, in_words) in [(429, false), (503, true)] {
        app.clock.advance(Duration::hours(13));
        app.sandbox.advance_clock(Duration::hours(13));
        let later = (app.clock.now() + Duration::seconds(120)).format(DATES[1])?;
        let value = if in_words { later.as_str() } else { "120" };
        provider.set("/api/oauth.v2.access", refusal(status, value));
        let before = provider.calls("/api/oauth.v2.access");
        let failed = api.get("users?limit=1").await?;
        let problem = failed.problem(502, "provider_error");
        let pause = problem["retry_after_s"].as_u64().unwrap_or_default();
        assert!((119..=120).contains(&pause), "{problem}");
        assert_eq!(provider.calls("/api/oauth.v2.access") - before, 1, "called once");
        provider.clear();
        app.clock.advance(Duration::seconds(100));
        api.get("users?limit=1").await?.problem(502, "provider_error");
        assert_eq!(provider.calls("/api/oauth.v2.access") - before, 1, "left alone");
        app.clock.advance(Duration::seconds(21));
        api.get("users?limit=1").await?.success()?;
    }
    Ok(())
}
