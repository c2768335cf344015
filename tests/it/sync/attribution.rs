//! Who made a change: the entry of the audit log that explains it, the gateway itself, or unknown. No change has the
//! actor of another change.

use std::sync::Arc;

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::clock::{Clock as _, ManualClock, ShiftedClock, SystemClock};
use switchboard::sandbox::org::{Actor, OrgLevel, PersonIndex, PersonUpdate, ProfileText};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::SyncedApp;
use crate::support::Setup;

impl SyncedApp {
    /// Returns two owners of the organization, each with its id.
    pub(super) fn two_owners(&self) -> anyhow::Result<[(PersonIndex, String); 2]> {
        self.app.sandbox.with_org(|org| {
            let people = org.people().iter().enumerate();
            let owners =
                people.filter(|(_, one)| one.org_level >= OrgLevel::Owner && one.is_active());
            let mut owners = owners.map(|(index, one)| (index, one.id.clone()));
            Ok([owners.next().context("no owner")?, owners.next().context("one owner")?])
        })
    }

    /// Changes a title as this person, who needs not use the gateway.
    pub(super) fn retitle_as(
        &self,
        actor: PersonIndex,
        user: &str,
        title: &str,
    ) -> anyhow::Result<()> {
        let person = self.person(user)?;
        let change = |edit: &mut switchboard::sandbox::org::Edit<'_>| {
            edit.set_profile_text(person, ProfileText::Title, title)
        };
        let changed = self.app.sandbox.change_org(Actor::Person(actor), change);
        changed.map_err(|error| anyhow::anyhow!("{error:?}"))
    }

    /// Changes a department as this person: the audit log has no entry of it.
    pub(super) fn move_as(
        &self,
        actor: PersonIndex,
        user: &str,
        department: &str,
    ) -> anyhow::Result<()> {
        let person = self.person(user)?;
        let change = |edit: &mut switchboard::sandbox::org::Edit<'_>| {
            let one = edit.person(person).context("no person")?;
            let mut update = PersonUpdate::of(edit, one);
            department.clone_into(&mut update.profile.job.department);
            edit.update_person(person, &update).map_err(|error| anyhow::anyhow!("{error:?}"))
        };
        self.app.sandbox.change_org(Actor::Person(actor), change)
    }

    pub(super) fn person(&self, user: &str) -> anyhow::Result<PersonIndex> {
        let found = self.app.sandbox.with_org(|org| org.find(user).map(|(index, _)| index));
        found.context("no such person")
    }

    /// Sets the gateway's clock to that of the provider.
    fn catch_up(&self) {
        let behind = self.app.sandbox.now() - self.app.state.clock.now();
        self.app.clock.advance(behind.max(Duration::ZERO));
    }

    /// Lets time pass at both ends.
    pub(super) fn wait(&self, time: Duration) {
        self.app.sandbox.advance_clock(time);
        self.catch_up();
    }

    /// Reads a user again as after an event of the provider.
    pub(super) async fn observe(&self, user: &str) -> anyhow::Result<()> {
        self.catch_up();
        self.report(json!({"type": "user_change", "user": {"id": user}})).await?;
        self.follow().await
    }

    /// Lets the time of one poll pass at both ends, and reads what is due.
    pub(super) async fn poll_both(&self) -> anyhow::Result<()> {
        self.wait(Duration::seconds(301));
        self.follow().await
    }

    /// Returns the changes of users behind a number of events.
    pub(super) async fn updates_after(&self, count: usize) -> anyhow::Result<Vec<Value>> {
        let changes = self.changes_after(count).await?;
        Ok(changes.into_iter().filter(|event| event["type"] == "user.updated").collect())
    }
}

/// Returns an account whose directory is copied, with the number of its events and a user.
pub(super) async fn start(pool: PgPool) -> anyhow::Result<(SyncedApp, usize, String)> {
    // The provider's clock stands still until a test advances it. Rate limits would follow it.
    let stop = |setup: &mut Setup| {
        setup.provider_clock = Arc::new(ManualClock::at(SystemClock.now()));
        setup.sandbox.enforce_limits = false;
    };
    let synced = SyncedApp::with(pool, json!({}), stop).await?;
    synced.synced().await?;
    synced.follow().await?;
    synced.wait(Duration::minutes(2));
    let (user, _) = synced.some_member().await?;
    let count = synced.events().await?.len();
    Ok((synced, count, user))
}

/// Asserts that no event was made after it was found.
fn assert_possible(events: &[Value]) {
    let time =
        |text: &Value| OffsetDateTime::parse(text.as_str().unwrap_or_default(), &Rfc3339).ok();
    for event in events {
        let times = (time(&event["occurred_at"]), time(&event["observed_at"]));
        assert!(times.0.is_some() && times.0 <= times.1, "{event}");
    }
}

/// The system clock is more precise than stored times, with which its times are compared.
#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_change_has_its_actor_by_the_system_clock(pool: PgPool) -> anyhow::Result<()> {
    let clock = ShiftedClock::new(Arc::new(SystemClock));
    let gateway_clock = Arc::new(clock.clone());
    let synced = SyncedApp::with(pool, json!({}), |setup: &mut Setup| {
        setup.gateway_clock = Some(gateway_clock);
    })
    .await?;
    synced.synced().await?;
    synced.follow().await?;
    let me = synced.api.get("me").await?.success()?;
    let me = me.pointer("/result/user/id").context("no user")?;
    let organization = synced.organization().await?;
    // One reading of the log for each: the precise times differ.
    let members = synced.plain_members();
    for (_, person) in members.iter().take(3) {
        let before = synced.events().await?.len();
        let promoted = json!({"user_id": person.id, "team_id": organization});
        synced.outside("admin.users.setOwner", &promoted).await?;
        synced.app.sandbox.advance_clock(Duration::seconds(301));
        clock.advance(Duration::seconds(301));
        synced.follow().await?;
        let events = synced.events().await?.split_off(before);
        let granted = events.iter().find(|event| event["type"] == "role_assignment.granted");
        let granted = granted.with_context(|| format!("not granted: {events:?}"))?;
        assert_eq!(&granted["actor"]["id"], me, "{granted}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_change_without_an_entry_has_not_the_actor_of_the_next_one(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (synced, count, user) = start(pool).await?;
    let [(first, _), (second, second_id)] = synced.two_owners()?;
    synced.move_as(first, &user, "Cartography")?;
    synced.observe(&user).await?;
    synced.wait(Duration::seconds(20));
    synced.retitle_as(second, &user, "Navigator")?;
    synced.observe(&user).await?;
    synced.poll_both().await?;
    let events = synced.updates_after(count).await?;
    assert_eq!(events.len(), 2, "{events:?}");
    assert_eq!(events[0]["object"]["department"], "Cartography");
    assert_eq!(events[0]["actor"], Value::Null, "{}", events[0]);
    assert_eq!(events[1]["actor"]["id"], *second_id, "{}", events[1]);
    assert_possible(&events);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_entry_does_not_explain_fields_that_its_action_does_not_change(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (synced, count, user) = start(pool).await?;
    let [(first, _), (second, second_id)] = synced.two_owners()?;
    // Both are found by the same read.
    synced.move_as(first, &user, "Cartography")?;
    synced.wait(Duration::seconds(20));
    synced.retitle_as(second, &user, "Navigator")?;
    synced.poll_both().await?;
    let events = synced.updates_after(count).await?;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["actor"], Value::Null, "{}", events[0]);
    synced.wait(Duration::seconds(2));
    synced.retitle_as(second, &user, "Pilot")?;
    synced.poll_both().await?;
    let events = synced.updates_after(count + 1).await?;
    assert_eq!(events[0]["actor"]["id"], *second_id, "{}", events[0]);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn each_change_of_a_burst_has_its_own_actor(pool: PgPool) -> anyhow::Result<()> {
    let (synced, count, user) = start(pool).await?;
    let owners = synced.two_owners()?;
    for (number, pause) in [3, 5, 9, 17].into_iter().enumerate() {
        let (owner, _) = &owners[number % 2];
        synced.retitle_as(*owner, &user, &format!("Title {number}"))?;
        synced.observe(&user).await?;
        synced.wait(Duration::seconds(pause));
    }
    synced.poll_both().await?;
    let events = synced.updates_after(count).await?;
    assert_eq!(events.len(), 4, "{events:?}");
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["actor"]["id"], *owners[number % 2].1, "{event}");
    }
    assert_possible(&events);
    let history = synced.api.get(&format!("users/{user}/history")).await?.success()?;
    let entries = history["result"].as_array().context("no history")?;
    for (number, entry) in entries.iter().take(4).rev().enumerate() {
        assert_eq!(entry["actor"]["id"], *owners[number % 2].1, "{entry}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn changes_of_two_actors_that_were_found_together_have_no_actor(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (synced, count, user) = start(pool).await?;
    let [(first, first_id), (second, _)] = synced.two_owners()?;
    synced.retitle_as(first, &user, "Alone")?;
    synced.observe(&user).await?;
    synced.wait(Duration::seconds(1));
    synced.retitle_as(first, &user, "Together")?;
    synced.wait(Duration::seconds(1));
    synced.retitle_as(second, &user, "With another")?;
    synced.wait(Duration::seconds(31));
    synced.observe(&user).await?;
    synced.poll_both().await?;
    let events = synced.updates_after(count).await?;
    assert_eq!(events.len(), 2, "{events:?}");
    assert_eq!(events[0]["actor"]["id"], *first_id, "{}", events[0]);
    assert_eq!(events[1]["actor"], Value::Null, "{}", events[1]);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_entry_that_is_late_withdraws_an_actor_that_is_no_longer_certain(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (synced, count, user) = start(pool).await?;
    let [(first, first_id), (second, _)] = synced.two_owners()?;
    synced.retitle_as(first, &user, "Known")?;
    synced.wait(Duration::seconds(300));
    synced.retitle_as(second, &user, "Not known yet")?;
    // The first poll has only one of the two entries.
    synced.app.sandbox.set_audit_delay(400);
    synced.observe(&user).await?;
    synced.poll_both().await?;
    let events = synced.updates_after(count).await?;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["actor"]["id"], *first_id, "{}", events[0]);
    synced.poll_both().await?;
    let events = synced.updates_after(count).await?;
    assert_eq!(events[0]["actor"], Value::Null, "{}", events[0]);
    let history = synced.api.get(&format!("users/{user}/history")).await?.success()?;
    assert_eq!(history["result"][0]["actor"], Value::Null, "{history}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn two_changes_by_one_actor_have_their_own_times(pool: PgPool) -> anyhow::Result<()> {
    let (synced, count, user) = start(pool).await?;
    let [(owner, id), _] = synced.two_owners()?;
    synced.retitle_as(owner, &user, "One")?;
    synced.observe(&user).await?;
    synced.wait(Duration::seconds(1));
    synced.retitle_as(owner, &user, "Two")?;
    synced.wait(Duration::seconds(3));
    synced.observe(&user).await?;
    synced.poll_both().await?;
    let events = synced.updates_after(count).await?;
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(events.iter().all(|event| event["actor"]["id"] == *id), "{events:?}");
    assert!(events[0]["occurred_at"].as_str() < events[1]["occurred_at"].as_str());
    assert_possible(&events);
    Ok(())
}
