//! A run of the directory sync during an outage of the database: it goes on, and nothing in the copy is wrong.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::{Fault, FaultKind};
use tokio_util::sync::CancellationToken;

use super::db_proxy::DbProxy;
use crate::support::TestApp;

/// The first call of the pass that the outage begins in.
const GROUPS: &str = "scim.groups.list";
/// The length of the outage.
const OUTAGE: Duration = Duration::from_secs(30);

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_run_survives_an_outage_of_the_database(pool: PgPool) -> anyhow::Result<()> {
    let (mut db_proxy, over) = DbProxy::start(&pool)?;
    let app = TestApp::with(over, |setup| {
        setup.sandbox.users = 60;
        setup.sandbox.workspaces = 3;
    })
    .await?;
    let account = app.link("acme").await?;
    let api = app.client_for(&account)?;
    let path = format!("integrated-accounts/{account}");
    let sync = json!({"sync": {"enabled": true, "emit_initial": true}});
    app.home.api.patch(&path, &sync).await?.success()?;
    let latency =
        Fault { seconds: Some(1.0), ..Fault::for_next_calls(GROUPS, FaultKind::Latency, 1) };
    app.sandbox.add_fault(latency);
    let run = api.post("syncs", &json!({"integrated_account_id": account})).await?;
    assert_eq!(run.status, 202, "{}", run.text);

    let stop = CancellationToken::new();
    let outage = async {
        while app.calls(GROUPS) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        db_proxy.cut().await?;
        tokio::time::sleep(OUTAGE).await;
        db_proxy.restore()
    };
    let (worked, outage) = tokio::join!(app.jobs.work_once(&stop), outage);
    outage?;
    assert!(worked?);

    let runs = api.get("syncs").await?.success()?;
    assert_eq!(runs["result"][0]["status"], "succeeded", "{runs}");
    let jobs = api.get("jobs").await?.success()?;
    assert_eq!(jobs["result"][0]["attempts"], 1, "{jobs}");
    for resource in ["users", "workspaces", "groups", "role-assignments"] {
        let ids = async |source: &str| -> anyhow::Result<Vec<String>> {
            let (rows, _) = api.all(&format!("{resource}?limit=1000{source}")).await?;
            let mut ids: Vec<String> =
                rows.iter().filter_map(|row| row["id"].as_str().map(str::to_owned)).collect();
            ids.sort_unstable();
            Ok(ids)
        };
        assert_eq!(ids("&source=synced").await?, ids("").await?, "{resource}");
    }
    let (events, _) = api.all("events?limit=1000").await?;
    let mut created: Vec<&Value> = events
        .iter()
        .filter(|event| event["type"] == "group.created")
        .map(|event| &event["object"]["id"])
        .collect();
    let all = created.len();
    created.sort_by_key(ToString::to_string);
    created.dedup();
    assert_eq!(created.len(), all, "a group was created twice");
    let sequences = events.iter().map(|event| event["sequence"].as_i64().context("no number"));
    let sequences: Vec<i64> = sequences.collect::<Result<_, _>>()?;
    assert!(sequences.windows(2).all(|pair| pair[1] == pair[0] + 1), "{sequences:?}");
    Ok(())
}
