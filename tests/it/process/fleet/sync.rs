//! Gateways share the runs of the directory sync: whenever the one that works on a run ends, another continues at the
//! checkpoint, and each change is one event.
#![expect(clippy::indexing_slicing, reason = "a field that a JSON value does not have is null")]

use std::collections::BTreeMap;

use anyhow::Context as _;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::super::http_client::{list, number, text};
use super::super::test_dir::TestDir;
use super::{Fleet, LONG_S};
use crate::sync::key_of;

/// A lease that expires soon after its process was killed.
const SHORT_LEASE: &str = "[sync]\nlease_s = 5\npoll_every_s = 0.1\n";
/// A lease that does not expire during a test.
const LONG_LEASE: &str = "[sync]\nlease_s = 600\npoll_every_s = 0.1\n";
/// A method of the pass of users, and one of the next pass.
const USERS: &str = "admin.users.list";
const GROUPS: &str = "scim.groups.list";

impl Fleet {
    /// Enables the sync and requests a run; returns its id.
    async fn request_run(&self) -> anyhow::Result<String> {
        let path = format!("/integrated-accounts/{}", self.caller.account);
        let settings = json!({"sync": {"enabled": true, "emit_initial": true}});
        self.send(0, Method::PATCH, &path, Some(&settings)).await?.ok()?;
        let response = self.post(0, "/syncs", &json!({})).await?;
        // The schedule of a gateway may have requested it already.
        anyhow::ensure!(matches!(response.status, 202 | 409), "{response:?}");
        let runs = self.get(0, "/syncs").await?.ok()?;
        anyhow::ensure!(list(&runs, "/result")?.len() == 1, "{runs}");
        text(&runs, "/result/0/id")
    }

    /// Requests a run, and waits until a worker waits for the provider's list of groups. Returns the run's id and the
    /// worker.
    async fn hold_run_at_groups(&self) -> anyhow::Result<(String, usize)> {
        let fault = json!({"method": GROUPS, "kind": "latency", "count": 1, "seconds": LONG_S});
        self.sandbox_post("faults", &fault).await?;
        let id = self.request_run().await?;
        self.wait_until(async || self.is_fault_spent().await).await?;
        Ok((id, self.caller_of(USERS, &[]).await?))
    }

    /// Returns the only running gateway that has called a method of the provider.
    async fn caller_of(&self, method: &str, killed: &[usize]) -> anyhow::Result<usize> {
        let label = format!("method=\"{method}\"");
        let mut callers = Vec::new();
        for (index, (_, url)) in self.gateways.iter().enumerate() {
            if !killed.contains(&index)
                && self.caller.client.read(&format!("{url}/metrics")).await?.contains(&label)
            {
                callers.push(index);
            }
        }
        let [caller] = callers[..] else { anyhow::bail!("{callers:?} called {method}") };
        Ok(caller)
    }

    /// Returns a run from this gateway.
    async fn read_run(&self, gateway: usize, id: &str) -> anyhow::Result<Value> {
        let run = self.get(gateway, &format!("/syncs/{id}")).await?.ok()?;
        Ok(run["result"].clone())
    }

    /// Returns a run after its end.
    async fn ended_run(&self, gateway: usize, id: &str) -> anyhow::Result<Value> {
        self.wait_until(async || Ok(!self.read_run(gateway, id).await?["ended_at"].is_null()))
            .await?;
        self.read_run(gateway, id).await
    }

    /// Returns the attempts of the only job.
    async fn attempts(&self, gateway: usize) -> anyhow::Result<u64> {
        let jobs = self.get(gateway, "/jobs").await?.ok()?;
        anyhow::ensure!(list(&jobs, "/result")?.len() == 1, "{jobs}");
        number(&jobs, "/result/0/attempts")
    }

    /// Returns all events of the account.
    async fn events(&self, gateway: usize) -> anyhow::Result<Vec<Value>> {
        let (mut events, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(gateway, &format!("/events?limit=100{cursor}")).await?.ok()?;
            events.extend_from_slice(list(&page, "/result")?);
            let Ok(next) = text(&page, "/next_cursor") else { return Ok(events) };
            cursor = format!("&next_cursor={next}");
        }
    }

    /// Checks that a run succeeds, that its job had so many attempts, and that its events are complete, each once.
    async fn check_run(&self, gateway: usize, id: &str, attempts: u64) -> anyhow::Result<()> {
        let run = self.ended_run(gateway, id).await?;
        assert_eq!(run["status"], "succeeded", "{run}");
        assert_eq!(self.attempts(gateway).await?, attempts, "{run}");
        let events = self.events(gateway).await?;
        let created = created_objects(&events)?;
        for (kind, counts) in run["counts"].as_object().context("no counts")? {
            let count = created.get(kind).copied().unwrap_or_default();
            assert_eq!(counts["created"], json!(count), "{kind}: {run}");
            assert_eq!((&counts["updated"], &counts["removed"]), (&json!(0), &json!(0)), "{run}");
        }
        let page = self.get(gateway, "/users?source=synced&include_total=true&limit=1").await?;
        let (total, state) =
            (number(&page.ok()?, "/total_count")?, self.sandbox_get("state").await?);
        assert_eq!(total, number(&state, "/users")?);
        assert_eq!(created.get("user"), Some(&total), "{created:?}");
        for (name, count) in [("sync.started", 1), ("sync.succeeded", 1), ("sync.failed", 0)] {
            let found = events.iter().filter(|event| event["type"] == name).count();
            assert_eq!(found, count, "{name}");
        }
        Ok(())
    }
}

/// Returns how many objects of each kind the events create. Their numbers have no gap, and no object is created twice.
fn created_objects(events: &[Value]) -> anyhow::Result<BTreeMap<String, u64>> {
    let mut present = BTreeMap::new();
    let mut created: BTreeMap<String, u64> = BTreeMap::new();
    for (event, expected) in events.iter().zip(1_u64..) {
        assert_eq!(event["sequence"], json!(expected), "{event}");
        let (kind, verb) =
            event["type"].as_str().and_then(|name| name.split_once('.')).context("no type")?;
        if matches!(kind, "integrated_account" | "sync") {
            continue;
        }
        match verb {
            "created" | "added" | "granted" => {
                let key = (kind, key_of(kind, &event["object"])?);
                assert!(present.insert(key, event).is_none(), "created twice: {event}");
                *created.entry(kind.to_owned()).or_default() += 1;
            }
            "removed" | "revoked" | "archived" => {
                let key = (kind, key_of(kind, &event["previous"])?);
                assert!(present.remove(&key).is_some(), "removed twice: {event}");
            }
            _ => anyhow::bail!("the directory is unchanged: {event}"),
        }
    }
    Ok(created)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn another_gateway_continues_the_run_of_a_killed_one(pool: PgPool) -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let mut fleet = Fleet::with_limits(&home, &pool, 4, 60, SHORT_LEASE).await?;
    let (id, first) = fleet.hold_run_at_groups().await?;
    let run = fleet.read_run(first, &id).await?;
    assert_eq!(run["status"], "running", "{run}");
    let progress = list(&run, "/progress")?;
    let users = progress.iter().find(|one| one["resource"] == "users").context("no users")?;
    assert!(number(users, "/done")? > 0, "{run}");

    // The first one is killed while it reads a page. The second one is killed while it writes that page, which waits
    // for this lock at its last statement.
    let mut tx = pool.begin().await?;
    sqlx::query("lock table events in share mode").execute(&mut *tx).await?;
    fleet.kill(first)?;
    let waiting = "select exists (select 1 from pg_locks where not granted
         and relation = 'events'::regclass)";
    fleet.wait_until(async || Ok(sqlx::query_scalar(waiting).fetch_one(&pool).await?)).await?;
    let second = fleet.caller_of(GROUPS, &[first]).await?;
    fleet.kill(second)?;
    tx.rollback().await?;

    let running = (0..4).find(|gateway| ![first, second].contains(gateway));
    fleet.check_run(running.context("no gateway")?, &id, 3).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_gateway_that_stops_returns_its_run_to_the_queue(pool: PgPool) -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let mut fleet = Fleet::with_limits(&home, &pool, 2, 60, LONG_LEASE).await?;
    let (id, first) = fleet.hold_run_at_groups().await?;
    let (gateway, _) = fleet.gateways.get_mut(first).context("no gateway")?;
    let status = gateway.stop().await?;
    assert!(status.success(), "{status}: {}", gateway.stderr()?);
    // An attempt that a shutdown interrupted does not count.
    fleet.check_run(1 - first, &id, 1).await
}
