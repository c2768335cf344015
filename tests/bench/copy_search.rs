//! Searches for users in a large synced copy: from a rare family name to two letters.

use std::time::Instant;

use anyhow::Context as _;
use reqwest::Method;

use super::copy_rows::{CopySize, fill};
use super::fleet::{Caller, Deployment};
use super::percentiles::percentiles;
use super::person_names::PersonNames;
use super::progress::note;
use super::reading::ListPage;
use super::table::Section;

/// Number of users of the account that is searched.
const LARGE_ACCOUNT_USERS: i64 = 500_000;
/// Number of users of all accounts.
const ALL_USERS: i64 = 1_000_000;
/// Accounts besides the large one.
const OTHER_ACCOUNTS: usize = 100;
/// Searches of each kind.
const SEARCHES_PER_KIND: usize = 100;
/// Searches before the measurement: connections are opened, statements prepared.
const WARM_UP_ROUNDS: usize = 5;
/// Budgets, for all searches of the mix.
const MAX_P50_MS: f64 = 3.0;
const MAX_P99_MS: f64 = 25.0;
/// Number of the most frequent given and family names that count as common.
const COMMON_NAMES: usize = 20;
/// E-mail addresses of some users of an account, spread over all of them.
const EMAILS: &str = "SELECT email FROM directory_users
     WHERE environment_id = $1 AND integrated_account_id = $2 AND kind = 'user' AND valid_to = 'infinity'
       AND right(object_id, 4) IN ('0777', '4321')
     ORDER BY object_id";

/// Searches of one kind.
#[derive(Debug)]
struct SearchKind {
    name: &'static str,
    terms: Vec<String>,
    /// Whether the budget includes them.
    is_in_mix: bool,
    /// Whether each finds users.
    finds: bool,
    /// Durations in milliseconds.
    ms: Vec<f64>,
}

impl SearchKind {
    fn new(name: &'static str, terms: impl IntoIterator<Item = String>) -> Self {
        let terms = terms.into_iter().collect();
        Self { name, terms, is_in_mix: true, finds: true, ms: Vec::new() }
    }

    /// Leaves it out of the mix.
    fn apart(self) -> Self {
        Self { is_in_mix: false, ..self }
    }

    /// Returns the term of a round.
    fn term(&self, round: usize) -> anyhow::Result<&str> {
        let index = round.checked_rem(self.terms.len()).context("no terms")?;
        self.terms.get(index).map(String::as_str).context("no term")
    }
}

/// Runs the measurement.
pub(crate) fn section(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Section> {
    let kinds = runtime.block_on(measure())?;
    let mut section = Section::new(
        "Search in the synced copy",
        format!(
            "`/users?source=synced&search=…&limit=20`: {ALL_USERS} users in all, {LARGE_ACCOUNT_USERS} of them in the \
             account that is searched; the kinds of searches take turns on one connection, {SEARCHES_PER_KIND} of \
             each. The mix is all of them, except those marked as apart."
        ),
        &["search for", "example", "p50 ms", "p99 ms", "budget"],
    );
    let mut mix = Vec::new();
    for kind in &kinds {
        if kind.is_in_mix {
            mix.extend_from_slice(&kind.ms);
        }
        let apart = if kind.is_in_mix { "" } else { " (apart)" };
        let [p50, p99] = percentiles(&kind.ms).map(|ms| format!("{ms:.2}"));
        let example = kind.terms.first().map(|term| format!("`{term}`")).unwrap_or_default();
        section.rows.push(vec![format!("{}{apart}", kind.name), example, p50, p99, String::new()]);
    }
    let [p50, p99] = percentiles(&mix);
    let is_met = p50 <= MAX_P50_MS && p99 <= MAX_P99_MS;
    let word = section.check(&format!("p50 {p50:.2} ms, p99 {p99:.2} ms"), is_met);
    section.rows.push(vec![
        format!("the mix: {} searches", mix.len()),
        String::new(),
        format!("{p50:.2}"),
        format!("{p99:.2}"),
        format!("p50 ≤ {MAX_P50_MS} ms, p99 ≤ {MAX_P99_MS} ms: {word}"),
    ]);
    Ok(section)
}

async fn measure() -> anyhow::Result<Vec<SearchKind>> {
    let deployment = Deployment::new("http://127.0.0.1:9", "").await?;
    let searched = search_all(&deployment).await;
    deployment.close().await;
    searched
}

async fn search_all(deployment: &Deployment) -> anyhow::Result<Vec<SearchKind>> {
    let created = deployment.accounts(1 + OTHER_ACCOUNTS, "xoxp-fixed").await?;
    let accounts: Vec<String> = created.iter().map(|(id, _)| id.to_string()).collect();
    let (large, token) = created.first().context("no account")?;
    let names = PersonNames::new();
    let size = CopySize { first: LARGE_ACCOUNT_USERS, all: ALL_USERS };
    fill(deployment, &accounts, &names, size).await?;
    let emails = emails(deployment, &large.to_string()).await?;
    let mut kinds = kinds(&names, emails);
    let mut gateway = deployment.serve()?;
    gateway.ready("/readyz")?;
    let caller = Caller::new()?.with("authorization", &format!("Bearer {}", token.reveal()))?;
    note("copy_search: searching");
    for round in 0..WARM_UP_ROUNDS + SEARCHES_PER_KIND {
        for kind in &mut kinds {
            let term = kind.term(round)?;
            let (ms, found) = search(&caller, &gateway.url(), term).await?;
            anyhow::ensure!((found > 0) == kind.finds, "{term:?} finds {found} users");
            if round >= WARM_UP_ROUNDS {
                kind.ms.push(ms);
            }
        }
    }
    Ok(kinds)
}

/// Returns the duration of a search in milliseconds, and the number of users that it found.
async fn search(caller: &Caller, base: &str, term: &str) -> anyhow::Result<(f64, usize)> {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("source", "synced")
        .append_pair("search", term)
        .append_pair("limit", "20")
        .finish();
    let request = caller.request(Method::GET, &format!("{base}/users?{query}"));
    let began = Instant::now();
    let response = request.send().await?;
    let (status, bytes) = (response.status(), response.bytes().await?);
    let ms = began.elapsed().as_secs_f64() * 1e3;
    anyhow::ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&bytes));
    let page: ListPage<'_> = serde_json::from_slice(&bytes)?;
    Ok((ms, page.result.len()))
}

async fn emails(deployment: &Deployment, account: &str) -> anyhow::Result<Vec<String>> {
    let environment = deployment.environment().await?.to_string();
    let emails = sqlx::query_scalar(EMAILS).bind(environment).bind(account);
    Ok(emails.fetch_all(&mut deployment.connect().await?).await?)
}

/// Returns all kinds of searches. Most of those apart need a scan of a part of the index.
fn kinds(names: &PersonNames, emails: Vec<String>) -> Vec<SearchKind> {
    let PersonNames { given, family } = names;
    let start = |name: &String, letters: usize| -> String {
        name.to_lowercase().chars().take(letters).collect()
    };
    let rare = || family.iter().rev().map(|name| name.to_lowercase());
    let common = || given.iter().take(COMMON_NAMES);
    let both = common().flat_map(|given| {
        let family = family.iter().take(COMMON_NAMES);
        family.map(move |family| format!("{} {}", given.to_lowercase(), start(family, 2)))
    });
    let unknown = (0..SEARCHES_PER_KIND).map(|number| format!("qx{number}zv"));
    vec![
        SearchKind::new("a rare family name", rare().take(SEARCHES_PER_KIND)),
        SearchKind::new(
            "a common family name",
            family.iter().take(COMMON_NAMES).map(|name| name.to_lowercase()),
        ),
        SearchKind::new("a given name and the start of a family name", both),
        SearchKind::new("a common given name", common().map(|name| name.to_lowercase())),
        SearchKind::new("three letters", given.iter().map(|name| start(name, 3))),
        SearchKind::new("two letters", given.iter().map(|name| start(name, 2))),
        SearchKind::new("an e-mail address", emails).apart(),
        SearchKind::new(
            "the end of a rare family name",
            rare().take(SEARCHES_PER_KIND).map(|name| name.chars().skip(1).collect::<String>()),
        )
        .apart(),
        SearchKind { finds: false, ..SearchKind::new("nobody", unknown).apart() },
    ]
}
