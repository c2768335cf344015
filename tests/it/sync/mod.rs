//! The directory sync: the copy equals the directory, keeps its history, and tells every change once.

#![expect(clippy::indexing_slicing, reason = "a field that a JSON value does not have is null")]

mod attribution;
mod audit_log;
pub(crate) mod comparison;
mod copy;
mod erasure;
mod events;
pub(crate) mod freshness;
mod full_run;
pub(crate) mod model;
mod needed_runs;
mod own_changes;
mod poll_interval;
mod removals;
mod sizes;
mod write_through;

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::jobs::JobWorker;
use time::Duration;
use tokio_util::sync::CancellationToken;

use crate::support::{Client, Setup, TestApp};

/// A gateway with one account whose directory is copied.
pub(crate) struct SyncedApp {
    /// The gateway and its provider.
    pub(crate) app: TestApp,
    /// The account.
    pub(crate) account: String,
    /// A client of the account.
    pub(crate) api: Client,
}

impl SyncedApp {
    /// Links an account and enables its sync with these settings.
    pub(crate) async fn new(pool: PgPool, settings: Value) -> anyhow::Result<Self> {
        Self::with(pool, settings, |_| {}).await
    }

    /// As [`Self::new`], with settings of the gateway changed by `change`.
    pub(crate) async fn with(
        pool: PgPool,
        settings: Value,
        change: impl FnOnce(&mut Setup),
    ) -> anyhow::Result<Self> {
        let app = TestApp::with(pool, |setup| {
            setup.sandbox.users = 60;
            setup.sandbox.workspaces = 3;
            change(setup);
        })
        .await?;
        let account = app.link("acme").await?;
        let api = app.client_for(&account)?;
        let mut sync = json!({"enabled": true});
        if let (Some(sync), Some(settings)) = (sync.as_object_mut(), settings.as_object()) {
            sync.extend(settings.clone());
        }
        let path = format!("integrated-accounts/{account}");
        app.home.api.patch(&path, &json!({"sync": sync})).await?.success()?;
        Ok(Self { app, account, api })
    }

    /// Starts a run, works on it, and returns it.
    pub(crate) async fn run(&self) -> anyhow::Result<Value> {
        let run = self.request().await?;
        self.work().await?;
        self.read_run(&run).await
    }

    /// Requests a run and returns its id.
    pub(crate) async fn request(&self) -> anyhow::Result<String> {
        // Nothing happens at the same time as a run.
        self.app.clock.advance(Duration::seconds(1));
        let body = json!({"integrated_account_id": self.account});
        let run = self.api.post("syncs", &body).await?;
        assert_eq!(run.status, 202, "{}", run.text);
        id_of(&run.body)
    }

    /// Works on all jobs that are due.
    pub(crate) async fn work(&self) -> anyhow::Result<()> {
        self.work_by(&self.app.jobs).await
    }

    /// Lets a worker work on all jobs that are due.
    pub(crate) async fn work_by(&self, worker: &JobWorker) -> anyhow::Result<()> {
        let stop = CancellationToken::new();
        while worker.work_once(&stop).await? {}
        self.app.clock.advance(Duration::seconds(1));
        Ok(())
    }

    /// Returns a run.
    pub(crate) async fn read_run(&self, id: &str) -> anyhow::Result<Value> {
        let run = self.api.get(&format!("syncs/{id}")).await?.success()?;
        Ok(run["result"].clone())
    }

    /// Starts a run that must succeed.
    pub(crate) async fn synced(&self) -> anyhow::Result<Value> {
        let run = self.run().await?;
        assert_eq!(run["status"], "succeeded", "{run}");
        Ok(run)
    }

    /// Calls a method of the provider, without the gateway noticing the change.
    pub(crate) async fn outside(&self, method: &str, body: &Value) -> anyhow::Result<Value> {
        let done = self.api.post(&format!("proxy/api/{method}"), body).await?.success()?;
        assert_eq!(done["ok"], true, "{method}: {done}");
        Ok(done)
    }

    /// Returns all rows of a list, by id.
    pub(crate) async fn all(&self, path: &str) -> anyhow::Result<BTreeMap<String, Value>> {
        let mut rows = BTreeMap::new();
        let mut cursor = String::new();
        loop {
            let page = self.api.get(&format!("{path}{cursor}")).await?.success()?;
            for row in page["result"].as_array().context("no rows")? {
                let id = row["id"].as_str().context("no id")?.to_owned();
                assert!(rows.insert(id, row.clone()).is_none(), "twice: {row}");
            }
            let Some(next) = page["next_cursor"].as_str() else { return Ok(rows) };
            let separator = if path.contains('?') { '&' } else { '?' };
            cursor = format!("{separator}next_cursor={next}");
        }
    }

    /// Returns all events of the account behind a position in their list.
    pub(crate) async fn events(&self) -> anyhow::Result<Vec<Value>> {
        let (mut events, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.api.get(&format!("events?limit=1000{cursor}")).await?.success()?;
            let rows = page["result"].as_array().context("no events")?;
            let Some(next) = page["next_cursor"].as_str() else { return Ok(events) };
            events.extend(rows.iter().cloned());
            cursor = format!("&next_cursor={next}");
        }
    }

    /// Returns what the events say about the directory, applied one after the other: objects by kind and id.
    pub(crate) async fn replayed(&self) -> anyhow::Result<BTreeMap<(String, String), Value>> {
        let mut state = BTreeMap::new();
        let mut last = 0;
        for event in self.events().await? {
            let sequence = event["sequence"].as_i64().context("no sequence")?;
            assert_eq!(sequence, last + 1, "{event}");
            last = sequence;
            replay(&mut state, &event)?;
        }
        Ok(state)
    }
}

/// Applies an event; checks that `previous` has the earlier values.
fn replay(state: &mut BTreeMap<(String, String), Value>, event: &Value) -> anyhow::Result<()> {
    let kind = event["type"].as_str().context("no type")?;
    let (noun, verb) = kind.split_once('.').context("no verb")?;
    if matches!(noun, "integrated_account" | "sync") {
        return Ok(());
    }
    let (object, previous) = (&event["object"], &event["previous"]);
    let whole = if object.is_null() { previous } else { object };
    let key = (noun.to_owned(), key_of(noun, whole)?);
    match verb {
        "created" | "added" | "granted" => {
            assert!(state.insert(key, object.clone()).is_none(), "twice: {event}");
        }
        "removed" | "revoked" | "archived" => {
            assert_eq!(state.remove(&key).as_ref(), Some(previous), "{event}");
        }
        _ => {
            let before = state.insert(key, object.clone()).context("unknown object")?;
            let fields = previous.as_object().context("no previous values")?;
            assert!(!fields.is_empty(), "{event}");
            for (name, value) in before.as_object().context("no object")? {
                let expected = if object[name] == *value { None } else { Some(value) };
                assert_eq!(fields.get(name), expected, "{name}: {event}");
            }
        }
    }
    Ok(())
}

/// Returns what identifies an object of an event.
pub(crate) fn key_of(noun: &str, object: &Value) -> anyhow::Result<String> {
    let field = |name: &str| object[name].as_str().context("no id").map(str::to_owned);
    match noun {
        "workspace_member" => Ok(format!("{}.{}", field("workspace_id")?, field("user_id")?)),
        "group_member" => Ok(format!("{}.{}", field("group_id")?, field("user_id")?)),
        _ => field("id"),
    }
}

/// Returns the id of a result.
pub(crate) fn id_of(body: &Value) -> anyhow::Result<String> {
    Ok(body.pointer("/result/id").and_then(Value::as_str).context("no id")?.to_owned())
}
