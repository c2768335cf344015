//! Pages of the console over a large synced copy: the time until a page has arrived, and its size.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use reqwest::{Method, header};
use serde_json::{Value, json};

use super::copy_rows::{CopySize, fill};
use super::fleet::{self, Caller, Deployment, text};
use super::percentiles::percentiles;
use super::person_names::PersonNames;
use super::progress::note;
use super::table::Section;

const USERS: i64 = 100_000;
/// Changes of users in the last seven days.
const CHANGES: i64 = 20_000;
/// Steps of the plan that is shown.
const STEPS: usize = 2_000;
/// Requests for each page, after one that counts for nothing.
const REQUESTS: usize = 100;
/// Budgets.
const MAX_P99_MS: f64 = 100.0;
const MAX_BYTES: usize = 150 * 1024;
/// The longest wait for the plan.
const TIMEOUT: Duration = Duration::from_mins(2);

/// The pages; `ACCOUNT`, `USER` and `PLAN` are ids.
const PAGES: [&str; 27] = [
    "",
    "/directory",
    "/directory?search=anna",
    "/directory?search=an",
    "/people/USER",
    "/roles",
    "/roles/changes",
    "/access-review",
    "/access-review?is_privileged=true",
    "/drift",
    "/reconciliations",
    "/reconciliations/new",
    "/reconciliations/PLAN",
    "/syncs",
    "/events",
    "/webhooks",
    "/accounts",
    "/accounts/connect",
    "/accounts/ACCOUNT",
    "/policies",
    "/policies/new?kind=required_workspaces",
    "/rule-sets",
    "/budgets",
    "/audit-log",
    "/keys",
    "/sessions",
    "/environment",
];

/// Appends changes, an even number each minute, behind the last event of the environment and of the account.
const INSERT_CHANGES: &str = r#"
    WITH place AS (
        UPDATE environments SET last_event = last_event + $3 WHERE environment_id = $1
        RETURNING last_event - $3 AS last
    ), feed AS (
        INSERT INTO account_feeds AS feed (environment_id, integrated_account_id, last_sequence, last_change_at)
        VALUES ($1, $2, $3, now())
        ON CONFLICT (environment_id, integrated_account_id) DO UPDATE
            SET last_sequence = feed.last_sequence + $3, last_change_at = GREATEST(now(), feed.last_change_at)
        RETURNING last_sequence - $3 AS last
    ), users AS (
        SELECT body, row_number() OVER () AS number FROM directory_users
        WHERE environment_id = $1 AND integrated_account_id = $2 LIMIT $3
    )
    INSERT INTO events (environment_id, position, event_id, at, type, integrated_account_id, data, sequence, origin,
        object, previous)
    SELECT $1, place.last + number, 'evt_' || lpad(number::text, 26, '0'),
        now() - interval '7 days' + interval '7 days' * (number::float8 / $3), 'user.updated', $2, 'null'::jsonb,
        feed.last + number, 'provider_event', body, '{"title": "Intern"}'::json
    FROM place, feed, users"#;

/// A page as it was measured.
#[derive(Debug)]
struct Page {
    path: &'static str,
    /// Median and 99th percentile, in milliseconds.
    times: [f64; 2],
    /// Its size with style sheet and script, uncompressed.
    bytes: usize,
}

/// Runs the measurement.
pub(crate) fn section(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Section> {
    let pages = runtime.block_on(measure())?;
    let mut section = Section::new(
        "Console",
        format!(
            "Each page {REQUESTS} times, one request after another, of an account with {USERS} people, {CHANGES} changes \
             in the last seven days and a plan of {STEPS} steps, until the whole page has arrived. The size is that of the \
             page with its style sheet and script, uncompressed."
        ),
        &["page", "median ms", "p99 ms", "KB", "budget"],
    );
    for Page { path, times: [median, p99], bytes } in pages {
        let path = format!("/console{path}");
        let is_met = p99 <= MAX_P99_MS && bytes <= MAX_BYTES;
        let word = section.check(&format!("{path}: p99 {p99:.0} ms, {bytes} bytes"), is_met);
        section.rows.push(vec![
            format!("`{path}`"),
            format!("{median:.1}"),
            format!("{p99:.1}"),
            (bytes / 1024).to_string(),
            format!("≤ {MAX_P99_MS} ms, ≤ {} KB: {word}", MAX_BYTES / 1024),
        ]);
    }
    Ok(section)
}

async fn measure() -> anyhow::Result<Vec<Page>> {
    let deployment = Deployment::new("http://127.0.0.1:9", "").await?;
    let measured = measure_with(&deployment).await;
    deployment.close().await;
    measured
}

async fn measure_with(deployment: &Deployment) -> anyhow::Result<Vec<Page>> {
    let created = deployment.accounts(1, "xoxp-fixed").await?;
    let account = created.first().context("no account")?.0.to_string();
    let size = CopySize { first: USERS, all: USERS };
    fill(deployment, std::slice::from_ref(&account), &PersonNames::new(), size).await?;
    let environment = deployment.environment().await?.to_string();
    let mut connection = deployment.connect().await?;
    let changes = sqlx::query(INSERT_CHANGES).bind(environment).bind(&account).bind(CHANGES);
    changes.execute(&mut connection).await.context("changes")?;
    sqlx::raw_sql("VACUUM (ANALYZE)").execute(&mut connection).await?;
    let mut gateway = deployment.serve()?;
    gateway.ready("/readyz")?;
    let base = gateway.url();
    let key = deployment.key().await?;
    let caller = Caller::new()?
        .with("authorization", &format!("Bearer {key}"))?
        .with("x-integrated-account-id", &account)?;
    let plan = plan(deployment, &caller, &base, &account).await?;
    let browser = sign_in(&base, &key).await?;
    let mut assets = 0;
    for asset in ["console.css", "console.js"] {
        assets += read(&browser, &format!("{base}/console/{asset}")).await?.1;
    }
    let mut pages = Vec::new();
    for path in PAGES {
        note(&format!("console: {path}"));
        let filled = path.replace("ACCOUNT", &account).replace("PLAN", &plan);
        let url = format!("{base}/console{}", filled.replace("USER", "U0000000001"));
        let (mut times, mut bytes) = (Vec::new(), 0);
        for number in 0..=REQUESTS {
            let (ms, size) = read(&browser, &url).await.context(path)?;
            bytes = size + assets;
            // The first one opens connections and prepares statements.
            if number > 0 {
                times.push(ms);
            }
        }
        pages.push(Page { path, times: percentiles(&times), bytes });
    }
    Ok(pages)
}

/// Makes a plan with a step for each of many people; returns its id.
async fn plan(
    deployment: &Deployment,
    caller: &Caller,
    base: &str,
    account: &str,
) -> anyhow::Result<String> {
    let sync = json!({"sync": {"enabled": true}}).to_string();
    let enable = caller.request(Method::PATCH, &format!("{base}/integrated-accounts/{account}"));
    fleet::json(enable.header(header::CONTENT_TYPE, "application/json").body(sync)).await?;
    let emails: Vec<String> =
        sqlx::query_scalar("SELECT email FROM directory_users ORDER BY object_id LIMIT $1")
            .bind(i64::try_from(STEPS)?)
            .fetch_all(deployment.pool())
            .await?;
    let people: Vec<Value> =
        emails.iter().map(|email| json!({"email": email, "title": "Changed"})).collect();
    let body = json!({"desired": {"users": people}});
    let created = caller.post(&format!("{base}/reconciliations"), &body).await?;
    let id = text(&created, "/result/id")?.to_owned();
    let began = Instant::now();
    loop {
        let found = caller.get(&format!("{base}/reconciliations/{id}")).await?;
        match text(&found, "/result/status")? {
            "planned" => return Ok(id),
            "planning" => {}
            _ => anyhow::bail!("no plan: {found}"),
        }
        anyhow::ensure!(began.elapsed() < TIMEOUT, "no plan after {TIMEOUT:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Signs in; returns a client with the session's cookie.
async fn sign_in(base: &str, key: &str) -> anyhow::Result<Caller> {
    let form = Caller::new()?
        .request(Method::POST, &format!("{base}/console/sign-in"))
        .header(header::ORIGIN, base)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let response = form.body(format!("key={key}")).send().await?;
    let cookie = response.headers().get(header::SET_COOKIE).and_then(|it| it.to_str().ok());
    let cookie = cookie.and_then(|it| it.split(';').next()).context("the sign-in failed")?;
    Caller::new()?.with("cookie", cookie)
}

/// Returns how long a page took, in milliseconds, and its size in bytes.
async fn read(browser: &Caller, url: &str) -> anyhow::Result<(f64, usize)> {
    let began = Instant::now();
    let response = browser.request(Method::GET, url).send().await?;
    let (status, body) = (response.status(), response.bytes().await?);
    let ms = began.elapsed().as_secs_f64() * 1e3;
    anyhow::ensure!(status == 200, "{url}: {status}");
    Ok((ms, body.len()))
}
