//! Changes that the provider reports between two runs: by its events and its audit log.

use std::time::Duration;

use anyhow::Context as _;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::clock::Clock as _;
use switchboard::domain::entropy::{Entropy, SeededEntropy, random_bytes};
use switchboard::sandbox::{DEFAULT_SIGNING_SECRET, Fault, FaultKind, SubscriptionRequest};
use tokio_util::sync::CancellationToken;

use super::SyncedApp;
use crate::support::slack_signature;

impl SyncedApp {
    /// Reads all that is due of change logs and reported objects.
    pub(crate) async fn follow(&self) -> anyhow::Result<()> {
        let stop = CancellationToken::new();
        while self.app.worker.follow_once(&stop).await? {}
        Ok(())
    }

    /// Lets the time of one poll pass, and reads what is due.
    pub(crate) async fn poll(&self) -> anyhow::Result<()> {
        self.app.clock.advance(time::Duration::seconds(301));
        self.follow().await
    }

    /// Sends an event as Slack signs it.
    pub(crate) async fn report(&self, event: Value) -> anyhow::Result<()> {
        let organization = self.organization().await?;
        let now = self.app.clock.now().unix_timestamp();
        let body = json!({
            "type": "event_callback", "team_id": organization, "enterprise_id": organization,
            "api_app_id": "A1", "event_id": "Ev1", "event_time": now, "event": event,
        });
        let (now, body) = (now.to_string(), body.to_string());
        let signature = slack_signature(DEFAULT_SIGNING_SECRET, &now, &body)?;
        let slack = self.app.anonymous()?.with("x-slack-request-timestamp", &now)?;
        let slack = slack.with("x-slack-signature", &signature)?;
        let sent = slack.send(Method::POST, "events/slack", Some(("application/json", &body)));
        sent.await?.success()?;
        Ok(())
    }

    pub(crate) async fn organization(&self) -> anyhow::Result<String> {
        let path = format!("integrated-accounts/{}", self.account);
        let account = self.app.home.api.get(&path).await?.success()?;
        let id = account.pointer("/result/organization/id").and_then(Value::as_str);
        Ok(id.context("no id")?.to_owned())
    }

    /// Returns an active full member with its first workspace.
    pub(crate) async fn some_member(&self) -> anyhow::Result<(String, String)> {
        let path = "users?source=synced&user_type=member&status=active&limit=1000";
        for (id, user) in self.all(path).await?.into_iter().rev() {
            let held = user["roles"].as_array().context("no roles")?;
            let is_plain = held
                .iter()
                .all(|role| matches!(role["id"].as_str(), Some("org:member" | "ws:member")));
            if let Some(workspace) = user["workspaces"][0]["id"].as_str().filter(|_| is_plain) {
                return Ok((id, workspace.to_owned()));
            }
        }
        anyhow::bail!("no plain member")
    }

    /// Changes a title at the provider.
    pub(crate) async fn retitle(&self, user: &str, title: &str) -> anyhow::Result<()> {
        let operation = json!({"op": "replace", "path": "title", "value": title});
        let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [operation]});
        self.api.patch(&format!("proxy/scim/v2/Users/{user}"), &body).await?.success()?;
        Ok(())
    }

    pub(crate) async fn copied_title(&self, user: &str) -> anyhow::Result<Value> {
        let copied = self.api.get(&format!("users/{user}?source=synced")).await?.success()?;
        Ok(copied["result"]["title"].clone())
    }

    /// Returns the events behind a number of events, without those of runs.
    pub(crate) async fn changes_after(&self, count: usize) -> anyhow::Result<Vec<Value>> {
        let events = self.events().await?.into_iter().skip(count);
        let is_change =
            |event: &Value| !event["type"].as_str().unwrap_or_default().starts_with("sync.");
        Ok(events.filter(is_change).collect())
    }
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_event_of_the_provider_brings_the_change(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    synced.follow().await?;
    let url = synced.app.base_url.join("events/slack")?;
    let body = SubscriptionRequest { client_id: None, url, signing_secret: None, events: None };
    synced.app.sandbox.subscribe(body).await?;
    let (user, _) = synced.some_member().await?;
    let before = synced.events().await?.len();
    synced.retitle(&user, "Bridge Builder").await?;
    let arrived = async {
        while synced.copied_title(&user).await? != json!("Bridge Builder") {
            synced.follow().await?;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(Duration::from_secs(20), arrived).await.context("never copied")??;
    let changes = synced.changes_after(before).await?;
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(changes[0]["type"], "user.updated");
    assert_eq!(changes[0]["origin"], "provider_event");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_burst_of_events_costs_a_handful_of_reads(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    synced.follow().await?;
    let (user, _) = synced.some_member().await?;
    let before = (synced.app.calls("users.info"), synced.events().await?.len());
    for round in 0..500 {
        if round % 50 == 0 {
            synced.retitle(&user, &format!("Title {round}")).await?;
        }
        synced.report(json!({"type": "user_change", "user": {"id": user}})).await?;
        synced.follow().await?;
        synced.app.clock.advance(time::Duration::milliseconds(120));
    }
    synced.app.clock.advance(time::Duration::seconds(31));
    synced.follow().await?;
    let reads = synced.app.calls("users.info") - before.0;
    assert!((2..=8).contains(&reads), "{reads}");
    assert_eq!(synced.copied_title(&user).await?, "Title 450");
    assert!(synced.changes_after(before.1).await?.len() <= 8);
    // Quiet again: the next event is read at once.
    synced.app.clock.advance(time::Duration::minutes(2));
    synced.retitle(&user, "Quiet").await?;
    synced.report(json!({"type": "user_change", "user": {"id": user}})).await?;
    synced.follow().await?;
    assert_eq!(synced.copied_title(&user).await?, "Quiet");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn lost_doubled_and_reordered_reports_do_no_harm(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({"emit_initial": true})).await?;
    synced.synced().await?;
    synced.app.sandbox.set_audit_delay(3_600);
    let entropy = SeededEntropy::new(11);
    let below = |end: u64| u64::from_be_bytes(random_bytes(&entropy as &dyn Entropy)) % end;
    let users = synced.all("users?source=synced&user_type=member&status=active&limit=1000").await?;
    let users: Vec<String> = users.into_keys().collect();
    let pick = |end: usize| usize::try_from(below(u64::try_from(end).unwrap_or(1))).unwrap_or(0);
    let workspaces: Vec<String> =
        synced.all("workspaces?source=synced").await?.into_keys().collect();
    let mut waiting: Vec<String> = Vec::new();
    for round in 0..60 {
        let user = users.get(pick(users.len())).context("no user")?.clone();
        let workspace = workspaces.get(pick(workspaces.len())).context("no workspace")?;
        let place = json!({"user_id": user, "team_id": workspace});
        match below(4) {
            0 => synced.retitle(&user, &format!("Title {round}")).await?,
            1 => drop(synced.api.post("proxy/api/admin.users.setAdmin", &place).await?),
            2 => drop(synced.api.post("proxy/api/admin.users.setRegular", &place).await?),
            _ => drop(synced.api.post("proxy/api/admin.users.assign", &place).await?),
        }
        // A third is lost, some come twice, all in another order.
        for _ in 0..below(3) {
            waiting.insert(pick(waiting.len() + 1), user.clone());
        }
        if waiting.len() > 5 {
            for user in waiting.drain(..) {
                synced.report(json!({"type": "user_change", "user": {"id": user}})).await?;
            }
            synced.follow().await?;
            synced.app.clock.advance(time::Duration::seconds(7));
        }
    }
    synced.synced().await?;
    synced.assert_equal().await?;
    synced.assert_replayed().await?;
    synced.app.sandbox.advance_clock(time::Duration::hours(1));
    synced.app.clock.advance(time::Duration::hours(1));
    let count = synced.events().await?.len();
    synced.follow().await?;
    synced.synced().await?;
    assert_eq!(synced.changes_after(count).await?, Vec::<Value>::new());
    synced.assert_equal().await?;
    synced.assert_replayed().await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn capabilities_say_what_works_and_why_something_does_not(
    pool: PgPool,
) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    let path = format!("integrated-accounts/{}/capabilities", synced.account);
    let sources = async || -> anyhow::Result<Value> {
        Ok(synced.app.home.api.get(&path).await?.success()?["result"]["change_sources"].take())
    };
    let before = sources().await?;
    assert_eq!(before[0]["source"], "provider_events");
    assert_eq!(before[1]["source"], "audit_log");
    assert_eq!(before[1]["is_available"], false);
    synced.synced().await?;
    synced.follow().await?;
    let after = sources().await?;
    assert_eq!(after[1]["is_available"], true, "{after}");
    assert!(after[1]["last_at"].is_string() && after[1]["next_at"].is_string(), "{after}");
    let fault = Fault::for_next_calls("audit.logs", FaultKind::ServerError, 100);
    synced.app.sandbox.add_fault(fault);
    synced.poll().await?;
    let failed = sources().await?;
    assert_eq!(failed[1]["is_available"], false, "{failed}");
    assert!(failed[1]["reason"].as_str().is_some_and(|text| text.contains("audit.logs")));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn forged_and_foreign_reports_change_nothing(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    synced.follow().await?;
    let before = synced.events().await?.len();
    for event in [
        json!({"type": "user_change", "user": {"id": "U0NOBODY"}}),
        json!({"type": "user_change", "user": {"id": "../../admin"}}),
        json!({"type": "subteam_updated", "subteam": {"id": "S0NOTHING"}}),
        json!({"type": "team_access_revoked", "team_ids": ["T0NOWHERE"]}),
        json!({"type": "never_heard_of", "user": "U1"}),
    ] {
        synced.report(event).await?;
    }
    synced.follow().await?;
    assert_eq!(synced.changes_after(before).await?, Vec::<Value>::new());
    let pending: i64 =
        sqlx::query_scalar("SELECT count(*) FROM rechecks WHERE is_pending AND failures > 0")
            .fetch_one(&synced.app.pool)
            .await?;
    assert_eq!(pending, 0);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_change_of_the_gateway_takes_no_credit_for_one_of_others(
    pool: PgPool,
) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    synced.follow().await?;
    let (user, workspace) = synced.some_member().await?;
    let before = synced.events().await?.len();
    let place = json!({"user_id": user, "team_id": synced.organization().await?});
    synced.outside("admin.users.setOwner", &place).await?;
    synced.wait(time::Duration::seconds(1));
    let path = format!("users/{user}");
    synced.api.patch(&path, &json!({"title": "Navigator"})).await?.success()?;
    let role = json!({"user_id": user, "role_id": "ws:admin", "workspace_id": workspace});
    synced.api.post("role-assignments", &role).await?;
    let changes = synced.changes_after(before).await?;
    let origin = |kind: &str, role: Option<&str>| {
        let found = changes.iter().find(|event| {
            event["type"] == kind && role.is_none_or(|role| event["object"]["role_id"] == role)
        });
        found.map(|event| (event["origin"].clone(), event["actor"]["type"].clone()))
    };
    let ours = Some((json!("gateway"), json!("gateway")));
    assert_eq!(origin("user.updated", None), ours, "{changes:?}");
    let theirs = Some((json!("sync"), Value::Null));
    assert_eq!(origin("role_assignment.granted", Some("org:owner")), theirs, "{changes:?}");
    // The audit log names who made the change.
    synced.poll().await?;
    let changes = synced.changes_after(before).await?;
    let granted = changes.iter().find(|event| event["object"]["role_id"] == "org:owner");
    assert_eq!(granted.context("not granted")?["actor"]["type"], "user", "{changes:?}");
    let updated = changes.iter().find(|event| event["type"] == "user.updated");
    assert_eq!(updated.context("not updated")?["actor"]["type"], "gateway");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_reported_bot_keeps_its_workspaces(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    synced.follow().await?;
    let bots = synced.all("users?source=synced&user_type=bot&status=active").await?;
    let bot = bots
        .values()
        .find(|bot| bot["workspaces"].as_array().is_some_and(|workspaces| !workspaces.is_empty()));
    let id = bot.context("no bot in a workspace")?["id"].clone();
    let before = synced.events().await?.len();
    synced.report(json!({"type": "user_change", "user": {"id": id}})).await?;
    synced.follow().await?;
    assert_eq!(synced.changes_after(before).await?, Vec::<Value>::new());
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn people_of_other_organizations_are_not_copied(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    synced.follow().await?;
    let before = synced.events().await?.len();
    let external = synced.app.sandbox.with_org(|org| org.external_people.clone());
    assert!(!external.is_empty());
    for person in &external {
        synced.report(json!({"type": "user_change", "user": {"id": person.id}})).await?;
    }
    synced.follow().await?;
    assert_eq!(synced.changes_after(before).await?, Vec::<Value>::new());
    for person in &external {
        synced.api.get(&format!("users/{}", person.id)).await?.problem(404, "not_found");
        let held = format!("role-assignments?limit=100&user[id]={}", person.id);
        assert_eq!(synced.api.get(&held).await?.success()?["result_count"], 0, "{person:?}");
    }
    Ok(())
}
