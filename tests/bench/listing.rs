//! A hundred thousand users by `/users`, against the provider's own pages.

use std::time::Instant;

use anyhow::Context as _;
use reqwest::{Method, RequestBuilder};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use switchboard::sandbox::{DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET};
use url::Url;

use super::fleet::{Caller, Fleet, FleetOptions, text};
use super::machine::{cpu_s, memory_mb, peak_memory_mb, reset_peak_memory};
use super::table::Section;

const USERS: usize = 100_000;
/// Alternating rounds, of which the median counts.
const ROUNDS: usize = 3;
/// Budgets.
const MIN_RATE_RATIO: f64 = 0.9;
const MAX_GROWTH_MB: f64 = 40.0;
/// Time that a slow provider takes for a page, in seconds.
const SLOW_PAGE_S: f64 = 0.05;
const SCOPES: &str = "admin,admin.users:read,users:read";

/// Result of reading all users once.
#[derive(Debug, Clone, Copy, Default)]
struct Reading {
    users: usize,
    pages: usize,
    seconds: f64,
    cpu_s: f64,
}

/// A page of either side, whose rows are not parsed.
#[derive(Debug, Deserialize)]
struct Page<'a> {
    #[serde(borrow, alias = "users")]
    result: Vec<&'a RawValue>,
    next_cursor: Option<String>,
    #[serde(default)]
    response_metadata: Metadata,
}

#[derive(Debug, Default, Deserialize)]
struct Metadata {
    next_cursor: String,
}

/// Both ways of reading, with a fast and with a slow provider.
#[derive(Debug)]
struct Comparison {
    raw: Reading,
    ours: Reading,
}

/// Runs the measurement.
pub(crate) fn section(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Section> {
    let mut section = Section::new(
        "Listing users",
        format!(
            "{USERS} users of a sandbox without limits, all pages: `admin.users.list` of the provider, and \
             `/users?limit=1000` of the gateway; once at the sandbox's full speed, once with {} ms for each of its \
             responses, which is still fast for a provider. Median of {ROUNDS} alternating rounds; gateway, \
             sandbox and reader are separate processes. Processor time is the gateway's.",
            SLOW_PAGE_S * 1e3
        ),
        &["source", "users", "pages", "users/s", "CPU µs/user", "budget"],
    );
    let (comparisons, growth) = runtime.block_on(read())?;
    let rate = |reading: Reading| as_f64(reading.users) / reading.seconds;
    for (pace, Comparison { raw, ours }) in ["", ", slower"].into_iter().zip(comparisons) {
        let ratio = rate(ours) / rate(raw);
        let missed = format!("{ratio:.2} of the provider's rate{pace}");
        let word = section.check(&missed, ratio >= MIN_RATE_RATIO);
        let cpu = format!("{:.1}", ours.cpu_s * 1e6 / as_f64(ours.users));
        let verdict = format!("≥ {MIN_RATE_RATIO} of the raw pages: {ratio:.2}, {word}");
        for (way, reading, cpu, verdict) in
            [("raw pages", raw, String::new(), String::new()), ("`/users`", ours, cpu, verdict)]
        {
            let (users, pages) = (reading.users.to_string(), reading.pages.to_string());
            let per_second = format!("{:.0}", rate(reading));
            section.rows.push(vec![format!("{way}{pace}"), users, pages, per_second, cpu, verdict]);
        }
    }
    let is_flat = section.check(&format!("memory grew by {growth:.0} MB"), growth <= MAX_GROWTH_MB);
    let grown = ["memory growth of the gateway", "", "", "", ""].map(str::to_owned);
    let grown =
        grown.into_iter().chain([format!("≤ {MAX_GROWTH_MB:.0} MB: {growth:.1}, {is_flat}")]);
    section.rows.push(grown.collect());
    Ok(section)
}

async fn read() -> anyhow::Result<([Comparison; 2], f64)> {
    let options =
        FleetOptions { gateways: 1, users: USERS, workspaces: 20, time_scale: None, redis: None };
    let fleet = Fleet::start(&options).await?;
    let provider = Caller::new()?;
    let token = token(&provider, &fleet.sandbox.url()).await?;
    let provider = provider.with("authorization", &format!("Bearer {token}"))?;
    let pid = fleet.gateways.first().context("no gateway")?.pid();
    let before = memory_mb(pid)?;
    reset_peak_memory(pid)?;
    let fast = compare(&fleet, &provider, pid).await?;
    let slow = json!({"method": "admin.users.list", "kind": "latency", "probability": 1.0,
        "seconds": SLOW_PAGE_S});
    fleet.sandbox_post("faults", &slow).await?;
    let slow = compare(&fleet, &provider, pid).await?;
    let growth = peak_memory_mb(pid)? - before;
    fleet.stop().await;
    Ok(([fast, slow], growth))
}

async fn compare(fleet: &Fleet, provider: &Caller, pid: u32) -> anyhow::Result<Comparison> {
    let (mut raw, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        raw.push(read_provider(provider, &fleet.sandbox.url()).await?);
        ours.push(read_gateway(fleet, pid).await?);
    }
    let (raw, ours) = (median(raw), median(ours));
    anyhow::ensure!(raw.users == ours.users, "{raw:?} is not {ours:?}");
    Ok(Comparison { raw, ours })
}

/// Returns a token of the provider.
async fn token(provider: &Caller, sandbox: &str) -> anyhow::Result<String> {
    let back = "http://127.0.0.1:9/back";
    let arguments = [
        ("client_id", DEFAULT_CLIENT_ID),
        ("user_scope", SCOPES),
        ("redirect_uri", back),
        ("state", "bench"),
    ];
    let consent = Url::parse_with_params(&format!("{sandbox}/oauth/v2/authorize"), arguments)?;
    let returned = provider.approve(consent).await?;
    let code = returned.query_pairs().find(|(name, _)| name == "code").context("no code")?.1;
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", DEFAULT_CLIENT_ID)
        .append_pair("client_secret", DEFAULT_CLIENT_SECRET)
        .append_pair("code", &code)
        .append_pair("redirect_uri", back)
        .finish();
    let response = provider.form(&format!("{sandbox}/api/oauth.v2.access"), form).await?;
    Ok(text(&response, "/authed_user/access_token")?.to_owned())
}

/// Reads the active and then the deactivated users from the provider, as a caller without a gateway does.
async fn read_provider(provider: &Caller, sandbox: &str) -> anyhow::Result<Reading> {
    let (began, mut reading) = (Instant::now(), Reading::default());
    for is_active in ["true", "false"] {
        let base = format!("{sandbox}/api/admin.users.list?is_active={is_active}&limit=1000");
        reading
            .all(|cursor| provider.request(Method::GET, &format!("{base}&cursor={cursor}")))
            .await?;
    }
    reading.seconds = began.elapsed().as_secs_f64();
    Ok(reading)
}

async fn read_gateway(fleet: &Fleet, pid: u32) -> anyhow::Result<Reading> {
    let base = fleet.urls().next().context("no gateway")?;
    let base = format!("{base}/users?limit=1000");
    let (began, before, mut reading) = (Instant::now(), cpu_s(pid)?, Reading::default());
    reading
        .all(|cursor| {
            let behind = if cursor.is_empty() { "" } else { "&next_cursor=" };
            fleet.caller.request(Method::GET, &format!("{base}{behind}{cursor}"))
        })
        .await?;
    reading.seconds = began.elapsed().as_secs_f64();
    reading.cpu_s = cpu_s(pid)? - before;
    Ok(reading)
}

impl Reading {
    /// Reads all pages.
    async fn all(&mut self, request: impl Fn(&str) -> RequestBuilder) -> anyhow::Result<()> {
        let mut cursor = String::new();
        loop {
            // Slack's cursors end with equals signs.
            let encoded = cursor.replace('=', "%3D");
            let bytes = request(&encoded).send().await?.error_for_status()?.bytes().await?;
            let page: Page<'_> = serde_json::from_slice(&bytes).with_context(|| {
                String::from_utf8_lossy(&bytes).chars().take(200).collect::<String>()
            })?;
            self.users += page.result.len();
            self.pages += 1;
            let Page { next_cursor, response_metadata, .. } = page;
            cursor = next_cursor.unwrap_or(response_metadata.next_cursor);
            if cursor.is_empty() {
                return Ok(());
            }
        }
    }
}

fn median(mut readings: Vec<Reading>) -> Reading {
    readings.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    readings.get(readings.len() / 2).copied().unwrap_or_default()
}

fn as_f64(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}
