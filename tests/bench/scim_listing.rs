//! A hundred thousand users of a SCIM server by `/users`, against the server's own pages.

use std::time::Instant;

use anyhow::Context as _;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::fleet::{Caller, Fleet, text};
use super::machine::{cpu_s, memory_mb, peak_memory_mb, reset_peak_memory};
use super::reading::{Reading, as_f64, median};
use super::table::Section;

const USERS: usize = 100_000;
const PAGE_ROWS: usize = 1_000;
/// Alternating rounds, of which the median counts.
const ROUNDS: usize = 3;
/// Time that the server takes for a page, in seconds.
const PAGE_S: f64 = 0.05;
/// Budgets.
const MIN_RATE_RATIO: f64 = 0.9;
const MAX_GROWTH_MB: f64 = 40.0;
const SCOPES: &str = "admin";

/// A page of the server.
#[derive(Debug, Deserialize)]
struct ScimPage<'a> {
    #[serde(rename = "totalResults")]
    total: usize,
    #[serde(borrow, rename = "Resources", default)]
    rows: Vec<&'a RawValue>,
}

/// What was measured.
#[derive(Debug)]
struct Measured {
    raw: Reading,
    ours: Reading,
    growth_mb: f64,
}

/// Runs the measurement.
pub(crate) fn section(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Section> {
    let Measured { raw, ours, growth_mb } = runtime.block_on(Fleet::measure(USERS, 20, measure))?;
    let mut section = Section::new(
        "Listing users of a SCIM server",
        format!(
            "{USERS} users of the sandbox's SCIM API, linked as a SCIM server, all pages of {PAGE_ROWS}: \
             `/scim/v2/Users` of the server, and `/users` of the gateway, with {} ms for each response of the server. \
             Median of {ROUNDS} alternating rounds. Processor time is the gateway's.",
            PAGE_S * 1e3
        ),
        &["source", "users", "pages", "users/s", "CPU µs/user", "budget"],
    );
    let ratio = ours.rate() / raw.rate();
    let word = section.check(&format!("{ratio:.2} of the server's rate"), ratio >= MIN_RATE_RATIO);
    let cpu = format!("{:.1}", ours.cpu_s * 1e6 / as_f64(ours.rows));
    let verdict = format!("≥ {MIN_RATE_RATIO} of the raw pages: {ratio:.2}, {word}");
    for (way, reading, cpu, verdict) in
        [("raw pages", raw, String::new(), String::new()), ("`/users`", ours, cpu, verdict)]
    {
        let (users, pages) = (reading.rows.to_string(), reading.pages.to_string());
        let per_second = format!("{:.0}", reading.rate());
        section.rows.push(vec![way.to_owned(), users, pages, per_second, cpu, verdict]);
    }
    let word =
        section.check(&format!("memory grew by {growth_mb:.0} MB"), growth_mb <= MAX_GROWTH_MB);
    let verdict = format!("≤ {MAX_GROWTH_MB:.0} MB: {growth_mb:.1}, {word}");
    let grown = ["memory growth of the gateway", "", "", "", ""].map(str::to_owned);
    section.rows.push(grown.into_iter().chain([verdict]).collect());
    Ok(section)
}

async fn measure(fleet: &Fleet) -> anyhow::Result<Measured> {
    let token = fleet.provider_token(SCOPES).await?;
    let provider = Caller::new()?.with("authorization", &format!("Bearer {token}"))?;
    let server = format!("{}/scim/v2", fleet.sandbox.url());
    let account = link(fleet, &server, &token).await?;
    let caller = fleet.caller.clone().with("x-integrated-account-id", &account)?;
    let slow = json!({"method": "scim.users.list", "kind": "latency", "probability": 1.0,
        "seconds": PAGE_S});
    fleet.sandbox_post("faults", &slow).await?;
    let pid = fleet.gateways.first().context("no gateway")?.pid();
    let before_mb = memory_mb(pid)?;
    reset_peak_memory(pid)?;
    let (mut raw, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        raw.push(read_server(&provider, &server).await?);
        ours.push(read_gateway(fleet, &caller, pid).await?);
    }
    let growth_mb = peak_memory_mb(pid)? - before_mb;
    let (raw, ours) = (median(raw), median(ours));
    anyhow::ensure!(raw.rows == ours.rows, "{raw:?} is not {ours:?}");
    Ok(Measured { raw, ours, growth_mb })
}

/// Links a SCIM server by the form, as a customer does; returns the account.
async fn link(fleet: &Fleet, server: &str, token: &str) -> anyhow::Result<String> {
    let base = fleet.urls().next().context("no gateway")?;
    let body = json!({"tenant_id": "scim", "provider": "scim"});
    let link = fleet.caller.post(&format!("{base}/link-tokens"), &body).await?;
    let form = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("provider", "scim"), ("base_url", server), ("token", token)])
        .finish();
    Caller::new()?.submit(text(&link, "/result/link_url")?, form).await?;
    let list = format!("{base}/integrated-accounts?tenant_id=scim");
    let plain = fleet.caller.clone().without("x-integrated-account-id");
    Ok(text(&plain.get(&list).await?, "/result/0/id")?.to_owned())
}

async fn read_server(provider: &Caller, server: &str) -> anyhow::Result<Reading> {
    let (began, mut reading) = (Instant::now(), Reading::default());
    loop {
        let start = reading.rows + 1;
        let url = format!("{server}/Users?startIndex={start}&count={PAGE_ROWS}");
        let response = provider.request(Method::GET, &url).send().await?.error_for_status()?;
        let bytes = response.bytes().await?;
        let page: ScimPage<'_> = serde_json::from_slice(&bytes)?;
        reading.rows += page.rows.len();
        reading.pages += 1;
        if page.rows.is_empty() || reading.rows >= page.total {
            reading.seconds = began.elapsed().as_secs_f64();
            return Ok(reading);
        }
    }
}

async fn read_gateway(fleet: &Fleet, caller: &Caller, pid: u32) -> anyhow::Result<Reading> {
    let base = fleet.urls().next().context("no gateway")?;
    let base = format!("{base}/users?limit={PAGE_ROWS}");
    let (began, before, mut reading) = (Instant::now(), cpu_s(pid)?, Reading::default());
    reading
        .all(|cursor| {
            let behind = if cursor.is_empty() { "" } else { "&next_cursor=" };
            caller.request(Method::GET, &format!("{base}{behind}{cursor}"))
        })
        .await?;
    reading.seconds = began.elapsed().as_secs_f64();
    reading.cpu_s = cpu_s(pid)? - before;
    Ok(reading)
}
