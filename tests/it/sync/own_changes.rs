//! Changes of the gateway: they are its own also if an event or a run copies them first, and nothing else is.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::org::{Actor, Edit};
use switchboard::sandbox::{Fault, FaultKind};

use super::SyncedApp;
use super::attribution::start;

/// The provider's method that changes a user.
const UPDATE: &str = "scim.users.update";

/// Returns the origin of an event, with the kind of its actor.
fn made_by(event: &Value) -> (&Value, &Value) {
    (&event["origin"], &event["actor"]["type"])
}

fn assert_ours(events: &[Value]) {
    for event in events {
        assert_eq!(made_by(event), (&json!("gateway"), &json!("gateway")), "{event}");
        assert!(event["actor"]["request_id"].is_string(), "{event}");
    }
}

impl SyncedApp {
    /// Changes a title by the unified API; the provider's event arrives when the provider has made the change, and is
    /// read before the response.
    async fn retitle_with_early_event(&self, user: &str, title: &str) -> anyhow::Result<()> {
        let path = format!("users/{user}");
        let body = json!({ "title": title });
        let person = self.person(user)?;
        let is_made = || {
            self.app
                .sandbox
                .with_org(|org| org.person(person).is_some_and(|person| person.job.title == title))
        };
        let early = async {
            while !is_made() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            self.observe(user).await
        };
        let (changed, early) = tokio::join!(self.api.patch(&path, &body), early);
        early?;
        changed?.success()?;
        Ok(())
    }
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_event_that_is_read_before_the_response_is_the_gateways(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (synced, count, user) = start(pool).await?;
    let late = Fault { seconds: Some(3.0), ..Fault::for_next_calls(UPDATE, FaultKind::Latency, 1) };
    synced.app.sandbox.add_fault(late);
    synced.retitle_with_early_event(&user, "Early").await?;
    let events = synced.updates_after(count).await?;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_ours(&events);
    // The audit log names the user of the token; the key that made the request is known better.
    synced.poll_both().await?;
    assert_ours(&synced.updates_after(count).await?);
    let registered: i64 =
        sqlx::query_scalar("SELECT count(*) FROM own_changes").fetch_one(&synced.app.pool).await?;
    assert_eq!(registered, 0);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_change_whose_response_was_lost_is_the_gateways(pool: PgPool) -> anyhow::Result<()> {
    let (synced, count, user) = start(pool).await?;
    for (number, kind) in [FaultKind::LostResponse, FaultKind::CutBody].into_iter().enumerate() {
        synced.app.sandbox.add_fault(Fault::for_next_calls(UPDATE, kind, 1));
        synced.retitle_with_early_event(&user, &format!("Lost {number}")).await?;
        synced.wait(time::Duration::minutes(2));
        synced.observe(&user).await?;
    }
    let events = synced.updates_after(count).await?;
    assert_eq!(events.len(), 2, "{events:?}");
    assert_ours(&events);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_change_that_was_not_made_takes_no_credit(pool: PgPool) -> anyhow::Result<()> {
    let (synced, count, user) = start(pool).await?;
    let [(owner, owner_id), _] = synced.two_owners()?;
    // The provider does not process this one; meanwhile a person sets another title.
    let lost =
        Fault { seconds: Some(1.0), ..Fault::for_next_calls(UPDATE, FaultKind::Timeout, 10) };
    synced.app.sandbox.add_fault(lost);
    let path = format!("users/{user}");
    let body = json!({"title": "Ours"});
    let others = async {
        while synced.app.calls(UPDATE) == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        synced.retitle_as(owner, &user, "Theirs")?;
        synced.observe(&user).await
    };
    let (changed, others) = tokio::join!(synced.api.patch(&path, &body), others);
    others?;
    assert!(changed?.status >= 500);
    synced.poll_both().await?;
    let events = synced.updates_after(count).await?;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["actor"]["id"], *owner_id, "{}", events[0]);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_change_that_was_not_needed_takes_no_credit(pool: PgPool) -> anyhow::Result<()> {
    let (synced, count, _) = start(pool).await?;
    let (user, workspace) = synced.some_member().await?;
    let member = json!({"user_id": user, "team_id": workspace});
    synced.outside("admin.users.setAdmin", &member).await?;
    let role = json!({"user_id": user, "role_id": "ws:admin", "workspace_id": workspace});
    synced.api.post("role-assignments", &role).await?.created()?;
    let events = synced.changes_after(count).await?;
    let granted = events.iter().find(|event| event["type"] == "role_assignment.granted");
    let granted = granted.with_context(|| format!("{events:?}"))?;
    assert_eq!(made_by(granted), (&json!("sync"), &Value::Null), "{granted}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn what_others_changed_in_the_same_object_is_an_event_of_its_own(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (synced, count, user) = start(pool).await?;
    let [(owner, _), _] = synced.two_owners()?;
    synced.move_as(owner, &user, "Cartography")?;
    synced.api.patch(&format!("users/{user}"), &json!({"title": "Ours"})).await?.success()?;
    let events = synced.updates_after(count).await?;
    assert_eq!(events.len(), 2, "{events:?}");
    let names = |event: &Value| -> Vec<String> {
        event["previous"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&events[0]), ["department"]);
    assert_eq!(made_by(&events[0]), (&json!("sync"), &Value::Null));
    assert_eq!(names(&events[1]), ["title"]);
    assert_ours(&events[1..]);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_renamed_organization_is_found_by_a_run_and_by_no_other_change(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (synced, count, user) = start(pool).await?;
    let [(owner, _), _] = synced.two_owners()?;
    let rename = |edit: &mut Edit<'_>| edit.rename_organization("Lumen");
    let renamed = synced.app.sandbox.change_org(Actor::Person(owner), rename);
    renamed.map_err(|error| anyhow::anyhow!("{error:?}"))?;
    synced.api.patch(&format!("users/{user}"), &json!({"title": "Ours"})).await?.success()?;
    let events = synced.updates_after(count).await?;
    for event in events.iter().filter(|event| event["origin"] == "gateway") {
        assert_eq!(event["previous"].get("organization"), None, "{event}");
        assert!(event["previous"].get("title").is_some(), "{event}");
    }
    // The audit log has the rename, and a run reads all users.
    for _ in 0..2 {
        synced.poll_both().await?;
        synced.work().await?;
    }
    synced.assert_equal().await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_level_in_a_workspace_is_copied_with_the_workspace(pool: PgPool) -> anyhow::Result<()> {
    let (synced, count, _) = start(pool).await?;
    let (user, workspace) = synced.some_member().await?;
    let role = json!({"user_id": user, "role_id": "ws:admin", "workspace_id": workspace});
    let assigned = synced.api.post("role-assignments", &role).await?.created()?;
    let admins = async || -> anyhow::Result<Vec<Value>> {
        let path = format!("workspaces/{workspace}?source=synced");
        let copied = synced.api.get(&path).await?.success()?;
        Ok(copied["result"]["admin_ids"].as_array().context("no admins")?.clone())
    };
    assert!(admins().await?.contains(&json!(user)));
    synced.assert_equal().await?;
    let id = assigned["result"]["id"].as_str().context("no id")?.to_owned();
    // An object is not written by a read of the time of its removal.
    synced.wait(time::Duration::seconds(1));
    synced.api.delete(&format!("role-assignments/{id}")).await?.success()?;
    assert!(!admins().await?.contains(&json!(user)));
    synced.wait(time::Duration::seconds(1));
    synced.api.post("role-assignments", &role).await?.created()?;
    assert!(admins().await?.contains(&json!(user)));
    synced.wait(time::Duration::seconds(1));
    synced.api.delete(&format!("users/{user}")).await?.success()?;
    assert!(!admins().await?.contains(&json!(user)));
    synced.poll_both().await?;
    let changes = synced.changes_after(count).await?;
    let updated = changes.iter().filter(|event| event["type"] == "workspace.updated").count();
    assert_eq!(updated, 4, "{changes:?}");
    assert_ours(&changes);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_new_user_is_the_gateways_when_its_event_comes_first(pool: PgPool) -> anyhow::Result<()> {
    let (synced, count, _) = start(pool).await?;
    let create = "scim.users.create";
    let late = Fault { seconds: Some(3.0), ..Fault::for_next_calls(create, FaultKind::Latency, 1) };
    synced.app.sandbox.add_fault(late);
    let email = "ida.lark@example.com";
    let body = json!({"email": email, "name": "Ida Lark", "title": "Pilot"});
    let early = async {
        let find = || {
            synced.app.sandbox.with_org(|org| {
                org.people().iter().find(|one| one.email == email).map(|one| one.id.clone())
            })
        };
        let id = loop {
            if let Some(id) = find() {
                break id;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        };
        synced.observe(&id).await
    };
    let (created, early) = tokio::join!(synced.api.post("users", &body), early);
    early?;
    created?.created()?;
    let changes = synced.changes_after(count).await?;
    assert!(changes.iter().any(|event| event["type"] == "user.created"), "{changes:?}");
    assert_ours(&changes);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_repeated_value_is_no_change_of_the_gateway(pool: PgPool) -> anyhow::Result<()> {
    let (synced, count, user) = start(pool).await?;
    let [(owner, owner_id), _] = synced.two_owners()?;
    let path = format!("users/{user}");
    synced.api.patch(&path, &json!({"title": "Ours"})).await?.success()?;
    synced.wait(time::Duration::seconds(40));
    for title in ["Theirs", "Ours"] {
        synced.retitle_as(owner, &user, title)?;
        synced.observe(&user).await?;
        synced.wait(time::Duration::seconds(40));
    }
    synced.poll_both().await?;
    let events = synced.updates_after(count).await?;
    assert_eq!(events.len(), 3, "{events:?}");
    assert_ours(&events[..1]);
    for event in &events[1..] {
        assert_eq!(event["actor"]["id"], *owner_id, "{event}");
    }
    Ok(())
}
