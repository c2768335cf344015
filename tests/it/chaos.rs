//! A provider with every kind of fault, each in one of twenty calls, under load: responses are correct, each write is
//! applied once, and each failure is reported as one.
//!
//! Runs for a few seconds by default; `SWITCHBOARD_CHAOS_S=60` sets the number.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::future::try_join_all;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::{Fault, FaultKind};

use crate::support::{ApiResponse, Client, TestApp};

const WORKERS: u64 = 8;
/// Share of calls that each kind of fault hits.
const FAULT_PROBABILITY: f64 = 0.05;
const FAULT_KINDS: [FaultKind; 7] = [
    FaultKind::Latency,
    FaultKind::RateLimited,
    FaultKind::ServerError,
    FaultKind::Html,
    FaultKind::CutBody,
    FaultKind::LostResponse,
    FaultKind::Timeout,
];

/// Calls of one worker and their results.
#[derive(Debug, Default)]
struct WorkerResult {
    succeeded: u32,
    failed: BTreeMap<String, u32>,
    /// Groups that were requested, and whether their creation was confirmed.
    groups: BTreeMap<String, bool>,
    /// Last confirmed title per user; `None` after a failure, whose outcome is unknown.
    titles: BTreeMap<String, Option<String>>,
}

impl WorkerResult {
    /// Returns the body of a success; counts a failure that a fault of the provider explains.
    fn success(&mut self, response: ApiResponse) -> Option<Value> {
        if response.status < 300 {
            self.succeeded += 1;
            return Some(response.body);
        }
        let kind = response.body.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_honest = matches!(
            (response.status, kind.as_str()),
            (429, "/problems/rate_limited")
                | (502, "/problems/provider_error" | "/problems/provider_outcome_unknown")
                | (504, "/problems/provider_timeout")
        );
        assert!(is_honest, "{}: {}", response.status, response.text);
        assert_eq!(response.header("content-type"), "application/problem+json");
        assert_eq!(response.body.get("request_id"), Some(&json!(response.header("x-request-id"))));
        assert!(
            response.status != 429 || !response.header("retry-after").is_empty(),
            "{}",
            response.text
        );
        *self.failed.entry(kind).or_default() += 1;
        None
    }
}

/// A user as stored at the provider before.
#[derive(Debug, Clone)]
struct OriginalUser {
    id: String,
    email: String,
}

async fn work(
    number: u64,
    api: Client,
    people: Vec<OriginalUser>,
    everybody: BTreeSet<String>,
    until: Instant,
) -> anyhow::Result<WorkerResult> {
    let mut dice = StdRng::seed_from_u64(number);
    let mut seen = WorkerResult::default();
    for step in 0.. {
        if Instant::now() > until {
            break;
        }
        let person = people.get(dice.random_range(0..people.len())).context("no user")?;
        let one = format!("users/{}", person.id);
        match dice.random_range(0..5) {
            0 => {
                let Some(page) = seen.success(api.get("users?limit=50").await?) else { continue };
                let rows = page.get("result").and_then(Value::as_array).context("no rows")?;
                let id = |row: &Value| row.get("id").and_then(Value::as_str).map(str::to_owned);
                assert!(rows.iter().filter_map(id).all(|id| everybody.contains(&id)), "{page}");
                assert!(!rows.is_empty());
            }
            1 => {
                let Some(read) = seen.success(api.get(&one).await?) else { continue };
                assert_eq!(read.pointer("/result/id"), Some(&json!(person.id)));
                assert_eq!(read.pointer("/result/emails/0/email"), Some(&json!(person.email)));
                if let Some(Some(title)) = seen.titles.get(&person.id) {
                    assert_eq!(read.pointer("/result/title"), Some(&json!(title)), "{read}");
                }
            }
            2 => {
                let name = format!("Chaos {number} {step}");
                let created = seen.success(api.post("groups", &json!({"name": name})).await?);
                seen.groups.insert(name, created.is_some());
            }
            3 => {
                let title = format!("Title {number} {step}");
                let changed = seen.success(api.patch(&one, &json!({"title": title})).await?);
                seen.titles.insert(person.id.clone(), changed.is_some().then_some(title));
            }
            _ => {
                // The provider's own failures pass through the proxy unchanged.
                let raw = api.get(&format!("proxy/api/users.info?user={}", person.id)).await?;
                if raw.status == 200 && raw.body.get("ok") == Some(&json!(true)) {
                    assert_eq!(
                        raw.body.pointer("/user/id"),
                        Some(&json!(person.id)),
                        "{}",
                        raw.text
                    );
                }
            }
        }
    }
    Ok(seen)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn responses_are_correct_writes_applied_once_and_failures_explained(
    pool: PgPool,
) -> anyhow::Result<()> {
    let seconds =
        std::env::var_os("SWITCHBOARD_CHAOS_S").and_then(|text| text.to_str()?.parse().ok());
    let app = TestApp::with(pool, |setup| setup.config.upstream.response_timeout_s = 0.4).await?;
    let api = app.linked_client().await?;
    let (everybody, people): (BTreeSet<String>, Vec<OriginalUser>) = app.sandbox.with_org(|org| {
        let all = org.people().iter().map(|person| person.id.clone()).collect();
        let ordinary = org.people().iter().filter(|person| {
            person.is_active() && !person.is_bot() && person.guest_level().is_none()
        });
        let known = |person: &switchboard::sandbox::org::Person| OriginalUser {
            id: person.id.clone(),
            email: person.email.clone(),
        };
        let members = ordinary
            .filter(|person| person.org_level == switchboard::sandbox::org::OrgLevel::Member);
        (all, members.map(known).take(64).collect())
    });
    let each = people.len() / usize::try_from(WORKERS)?;
    for kind in FAULT_KINDS {
        let is_slow =
            matches!(kind, FaultKind::Latency | FaultKind::Timeout | FaultKind::RateLimited);
        let seconds = is_slow.then_some(1.0);
        let fault =
            Fault { seconds, probability: Some(FAULT_PROBABILITY), ..Fault::for_every_call(kind) };
        app.sandbox.add_fault(fault);
    }
    let until = Instant::now() + Duration::from_secs(seconds.unwrap_or(6));
    let workers = people
        .chunks(each)
        .zip(1..)
        .map(|(own, number)| work(number, api.clone(), own.to_vec(), everybody.clone(), until));
    let all = try_join_all(workers).await?;
    app.sandbox.clear_faults();

    let succeeded: u32 = all.iter().map(|seen| seen.succeeded).sum();
    let failed: u32 = all.iter().flat_map(|seen| seen.failed.values()).sum();
    assert!(succeeded > 30, "{succeeded} succeeded, {failed} failed: {all:?}");
    app.sandbox.with_org(|org| {
        for (name, is_made) in all.iter().flat_map(|seen| &seen.groups) {
            let there = org.groups.iter().filter(|(_, group)| group.name == *name).count();
            let fits = if *is_made { there == 1 } else { there <= 1 };
            assert!(fits, "{name} exists {there} times, creation confirmed: {is_made}");
        }
    });
    for (id, title) in all.iter().flat_map(|seen| &seen.titles) {
        let Some(title) = title else { continue };
        let read = api.get(&format!("users/{id}")).await?.success()?;
        assert_eq!(read.pointer("/result/title"), Some(&json!(title)), "{read}");
    }
    Ok(())
}
