//! What no fix does: attempts to get past each guard, fixes that the provider refuses, and fixes at the same time.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::org::OrgLevel;
use switchboard::sandbox::{Fault, FaultKind};
use time::Duration;
use tokio_util::sync::CancellationToken;

use super::kinds::Change;
use crate::support::{Browser, link_url};
use crate::sync::SyncedApp;

/// The role of a sales user, which nobody holds at first.
const ROLE: &str = "Rl0H";

/// A report of a fix: the outcomes, and the first detail.
struct Report {
    outcomes: Vec<String>,
    detail: String,
}

impl SyncedApp {
    /// Creates a policy that nobody may hold these roles.
    async fn nobody(&self, roles: &[&str], more: Value) -> anyhow::Result<Value> {
        let parameters = json!({"role_ids": roles, "allowed": {"user_ids": ["nobody"]}});
        self.policy("role_holders", parameters, more).await
    }

    /// Assigns [`ROLE`] to users, at the provider.
    async fn assign(&self, users: &[&str]) -> anyhow::Result<()> {
        let organization = self.organization().await?;
        // A call assigns a role to a few users.
        let bodies = users
            .chunks(5)
            .map(|users| json!({"role_id": ROLE, "entity_ids": [organization], "user_ids": users}));
        let add = |body| Change::Provider("admin.roles.addAssignments", body);
        self.make(&bodies.map(add).collect::<Vec<_>>()).await
    }

    /// Returns how many of the first users hold [`ROLE`], by the provider itself.
    fn holders(&self) -> usize {
        self.app.sandbox.with_org(|org| {
            let rows = org.roles.rows();
            rows.filter(|(_, row)| row.role_id == ROLE).count()
        })
    }

    /// Returns the violation of a user.
    async fn of_user(&self, user: &str) -> anyhow::Result<Value> {
        self.only_drift(&format!("&user_id={user}")).await
    }

    /// Requests the fix of a user's violation.
    async fn fix_of(&self, user: &str) -> anyhow::Result<Report> {
        let violation = self.of_user(user).await?;
        let path = format!("drift/{}/fix", violation["id"].as_str().context("no id")?);
        let fixed = self.api.post(&path, &json!({})).await?.success()?;
        Report::of(&fixed["result"])
    }
}

impl Report {
    fn of(violation: &Value) -> anyhow::Result<Self> {
        let run = violation["last_fix"]["operations"].as_array().context("no report")?;
        let text = |one: &Value| one.as_str().unwrap_or_default().to_owned();
        let outcomes = run.iter().map(|one| text(&one["outcome"])).collect();
        let detail = run.iter().map(|one| text(&one["detail"])).find(|one| !one.is_empty());
        Ok(Self { outcomes, detail: detail.unwrap_or_default() })
    }

    #[track_caller]
    fn assert_refused(&self, reason: &str) {
        assert_eq!(self.outcomes.first().map(String::as_str), Some("refused"), "{}", self.detail);
        assert!(self.outcomes.iter().skip(1).all(|one| one == "skipped"), "{:?}", self.outcomes);
        assert!(self.detail.contains(reason), "{}", self.detail);
    }
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn no_fix_changes_a_primary_owner(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let (primary, owner) = synced.app.sandbox.with_org(|org| {
        let owner = org.people().iter().find(|one| one.org_level == OrgLevel::Owner);
        (org.primary_owner().cloned(), owner.cloned())
    });
    let primary = primary.context("no primary owner")?;
    let owner = owner.context("no owner")?;
    // Linked by another person: the person whose token it is is protected anyway.
    let link = json!({"tenant_id": "acme", "integrated_account_id": synced.account});
    let link = link_url(&synced.app.home, &link).await?;
    let mut browser = Browser::new()?;
    let consent = browser.start_consent(&link).await?;
    let form = format!("decision=approve&install=org&user={}", owner.id);
    let back = browser.submit_consent(&consent, &form).await?;
    assert_eq!(browser.get(&back).await?.status, 200);
    let me = synced.api.get("me").await?.success()?;
    assert_eq!(me["result"]["user"]["id"], owner.id);
    let before = synced.app.sandbox.snapshot();
    for kind in ["role_holders", "inactive_users"] {
        let parameters = match kind {
            "role_holders" => {
                json!({"role_ids": ["org:primary_owner"], "allowed": {"user_ids": ["nobody"]}})
            }
            _ => json!({"days": 1}),
        };
        let policy = synced.policy(kind, parameters, json!({})).await?;
        synced.fix_of(&primary.id).await?.assert_refused("primary owner");
        let path = format!("policies/{}", policy["id"].as_str().context("no id")?);
        synced.app.home.admin.delete(&path).await?.success()?;
    }
    assert_eq!(synced.app.sandbox.snapshot().people(), before.people());
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn no_fix_changes_the_person_whose_token_it_is(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let me = synced.api.get("me").await?.success()?;
    let me = me.pointer("/result/user/id").and_then(Value::as_str).context("no user")?.to_owned();
    synced.assign(&[&me]).await?;
    for parameters in [
        ("role_holders", json!({"role_ids": [ROLE], "allowed": {"user_ids": ["nobody"]}})),
        ("inactive_users", json!({"days": 1})),
        (
            "forbidden_workspaces",
            json!({"when": {"field": "id", "op": "eq", "value": me}, "workspace_ids": [synced.workspace(0)]}),
        ),
    ] {
        let (kind, parameters) = parameters;
        let policy = synced.policy(kind, parameters, json!({})).await?;
        synced.fix_of(&me).await?.assert_refused("works with this person's token");
        let path = format!("policies/{}", policy["id"].as_str().context("no id")?);
        synced.app.home.admin.delete(&path).await?.success()?;
    }
    assert_eq!(synced.holders(), 1);
    Ok(())
}

/// Slack's organizations and workspaces have primary owners; here the copy has none, as for a provider without them.
#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn no_fix_takes_the_last_owner_of_a_place(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let members = synced.plain_members();
    let (organization, workspace) = (synced.organization().await?, synced.workspace(0));
    let places = [("org:owner", &organization), ("ws:owner", &workspace)];
    for ((role, place), pair) in places.into_iter().zip(members.chunks(2)) {
        let [(_, one), (_, other)] = pair else { anyhow::bail!("no members") };
        let promoted = |user| Change::level("admin.users.setOwner", user, place);
        synced.make(&[promoted(&one.id), promoted(&other.id)]).await?;
        let hidden = "DELETE FROM directory_versions WHERE kind = 'role_assignment'
            AND (role_id LIKE '%:primary_owner' OR role_id = $1 AND user_id <> ALL ($2))";
        let ids = vec![one.id.clone(), other.id.clone()];
        sqlx::query(hidden).bind(role).bind(ids).execute(&synced.app.pool).await?;
        let policy = synced.nobody(&[role], json!({})).await?;
        // The last one of the two, whichever is first: the requests are made at the same time.
        let (first, second) = tokio::join!(synced.fix_of(&one.id), synced.fix_of(&other.id));
        let mut reports = [first?, second?];
        reports.sort_by(|one, other| one.outcomes.cmp(&other.outcomes));
        let [applied, refused] = reports;
        assert_eq!(applied.outcomes, ["applied"], "{}", applied.detail);
        refused.assert_refused("No other person holds the role");
        let path = format!("policies/{}", policy["id"].as_str().context("no id")?);
        synced.app.home.admin.delete(&path).await?.success()?;
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn no_fix_violates_a_policy_about_the_minimum_of_holders(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let members = synced.plain_members();
    let users: Vec<&str> = members.iter().take(4).map(|(_, one)| &*one.id).collect();
    synced.assign(&users).await?;
    let least = json!({"role_ids": [ROLE], "count": 2});
    let minimum = synced.policy("min_holders", least, json!({})).await?;
    let minimum = format!("policies/{}", minimum["id"].as_str().context("no id")?);
    synced.nobody(&[ROLE], json!({})).await?;
    assert_eq!(synced.fix_of(users[0]).await?.outcomes, ["applied"]);
    assert_eq!(synced.fix_of(users[1]).await?.outcomes, ["applied"]);
    synced.fix_of(users[2]).await?.assert_refused("The policy min_holders requires more holders");
    // Neither by a deactivation.
    let admin = &synced.app.home.admin;
    synced.policy("inactive_users", json!({"days": 1}), json!({})).await?;
    let inactive = synced.drift(&format!("&user_id={}", users[2])).await?;
    let inactive = inactive.iter().find(|one| one["policy_kind"] == "inactive_users");
    let path = format!("drift/{}/fix", inactive.context("none")?["id"].as_str().context("no id")?);
    let fixed = synced.api.post(&path, &json!({})).await?.success()?;
    Report::of(&fixed["result"])?.assert_refused("requires more holders");
    assert_eq!(synced.holders(), 2);
    // An inactive policy protects nobody.
    admin.patch(&minimum, &json!({"is_active": false})).await?.success()?;
    synced.app.home.api.post(&path, &json!({})).await?.success()?;
    assert_eq!(synced.holders(), 2, "deactivated with the role");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_policy_of_mode_fix_removes_no_more_than_the_limit(pool: PgPool) -> anyhow::Result<()> {
    let settings = json!({"max_removed": {"count": 2, "percent": 0}});
    let synced = SyncedApp::new(pool, settings).await?;
    synced.synced().await?;
    synced.follow().await?;
    let members = synced.plain_members();
    let users: Vec<&str> = members.iter().take(5).map(|(_, one)| &*one.id).collect();
    synced.assign(&users).await?;
    synced.nobody(&[ROLE], json!({"mode": "fix"})).await?;
    assert_eq!(synced.holders(), 3);
    let open = synced.drift("&status=open").await?;
    assert_eq!(open.len(), 3);
    for one in &open {
        Report::of(one)?.assert_refused("`sync.max_removed`");
    }
    // A person decides that more are removed, which counts for nothing.
    let left = open[0]["subject"]["id"].as_str().context("no id")?;
    assert_eq!(synced.fix_of(left).await?.outcomes, ["applied"]);
    // The policy itself continues a day later.
    for (hours, holders) in [(2, 2), (23, 0)] {
        synced.app.clock.advance(Duration::hours(hours));
        synced.app.sandbox.advance_clock(Duration::seconds(60));
        synced.synced().await?;
        synced.evaluate().await?;
        assert_eq!(synced.holders(), holders, "after {hours} h");
    }
    assert_eq!(synced.drift("&status=open").await?, Vec::<Value>::new());
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_fix_of_many_removals_is_continued_within_the_limit(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({"max_removed": {"count": 1, "percent": 0}})).await?;
    synced.synced().await?;
    synced.follow().await?;
    let members = synced.plain_members();
    let (index, user) = members.iter().find(|(_, one)| one.groups.len() > 1).context("no one")?;
    synced.policy("no_access_after_deactivation", json!({}), json!({"mode": "fix"})).await?;
    synced.make(&[Change::set(&user.id, "active", false)]).await?;
    let left = || synced.app.sandbox.with_org(|org| org.people()[*index].groups.len());
    let first = user.groups.len() - 1;
    assert_eq!(left(), first);
    // Whatever the last report says: one removal a day.
    for (hours, expected) in [(2, first), (2, first), (2, first), (19, first - 1), (2, first - 1)] {
        synced.app.clock.advance(Duration::hours(hours));
        synced.app.sandbox.advance_clock(Duration::seconds(60));
        synced.synced().await?;
        synced.evaluate().await?;
        assert_eq!(left(), expected, "after {hours} h");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_policy_that_is_changed_to_alert_fixes_nothing_more(pool: PgPool) -> anyhow::Result<()> {
    let settings = json!({"max_removed": {"count": 100, "percent": 0}});
    let synced = SyncedApp::new(pool, settings).await?;
    synced.synced().await?;
    synced.follow().await?;
    let members = synced.plain_members();
    let users: Vec<&str> = members.iter().take(22).map(|(_, one)| &*one.id).collect();
    assert_eq!(users.len(), 22);
    synced.assign(&users).await?;
    let body = json!({"name": "x", "kind": "role_holders", "mode": "fix",
        "parameters": {"role_ids": [ROLE], "allowed": {"user_ids": ["nobody"]}}});
    let policy = synced.app.home.admin.post("policies", &body).await?.created()?;
    // An evaluation runs 20 fixes; the others remain due.
    synced.app.policies.work_once(&CancellationToken::new()).await?;
    assert_eq!(synced.holders(), 2);
    let path = format!("policies/{}", policy["result"]["id"].as_str().context("no id")?);
    synced.app.home.admin.patch(&path, &json!({"mode": "alert"})).await?.success()?;
    synced.evaluate().await?;
    assert_eq!(synced.holders(), 2);
    assert_eq!(synced.drift("&status=open").await?.len(), 2);
    synced.app.home.admin.patch(&path, &json!({"mode": "fix"})).await?.success()?;
    synced.evaluate().await?;
    assert_eq!(synced.holders(), 0);
    assert_eq!(synced.drift("&status=open").await?, Vec::<Value>::new());
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn fixes_wait_for_an_account_that_must_be_linked_again(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let members = synced.plain_members();
    synced.assign(&[&members[0].1.id]).await?;
    synced.app.uninstall(&synced.account).await?;
    synced.api.get("me").await?;
    synced.nobody(&[ROLE], json!({"mode": "fix"})).await?;
    assert_eq!(synced.holders(), 1);
    let open = synced.of_user(&members[0].1.id).await?;
    assert_eq!((&open["status"], &open["last_fix"]), (&json!("open"), &Value::Null));
    synced.app.relink("acme", &synced.account).await?;
    synced.app.clock.advance(Duration::minutes(11));
    synced.evaluate().await?;
    assert_eq!(synced.holders(), 0);
    assert_eq!(synced.of_user(&members[0].1.id).await?["status"], "resolved");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn what_the_provider_refuses_is_reported_and_the_rest_is_skipped(
    pool: PgPool,
) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let members = synced.plain_members();
    let (index, user) = &members[0];
    synced.assign(&[&user.id]).await?;
    assert!(user.groups.len() > 1);
    synced.policy("no_access_after_deactivation", json!({}), json!({})).await?;
    synced.make(&[Change::set(&user.id, "active", false)]).await?;
    let fault = Fault::for_next_calls("scim.groups.update", FaultKind::ServerError, 100);
    synced.app.sandbox.add_fault(fault);
    let report = synced.fix_of(&user.id).await?;
    let mut expected = vec!["applied", "failed"];
    expected.resize(1 + user.groups.len(), "skipped");
    assert_eq!(report.outcomes, expected, "{}", report.detail);
    assert!(report.detail.len() > 10, "{}", report.detail);
    let entries = synced.app.home.admin.get("audit-log?action=drift.fixed").await?.success()?;
    assert_eq!(entries["result"][0]["outcome"], "failed", "{entries}");
    synced.app.sandbox.clear_faults();
    // What is left is still a violation, whose fix is what is left to do.
    synced.evaluate().await?;
    let left = synced.of_user(&user.id).await?;
    assert_eq!(left["status"], "open");
    assert_eq!(left["fix"].as_array().map(Vec::len), Some(user.groups.len()));
    let report = synced.fix_of(&user.id).await?;
    assert!(report.outcomes.iter().all(|one| one == "applied"), "{}", report.detail);
    synced.evaluate().await?;
    assert_eq!(synced.of_user(&user.id).await?["status"], "resolved");
    let groups = synced.app.sandbox.with_org(|org| org.people()[*index].groups.len());
    assert_eq!(groups, 0);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn two_fixes_at_the_same_time_change_the_directory_once(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let members = synced.plain_members();
    let user = &members[0].1.id;
    synced.assign(&[user]).await?;
    synced.nobody(&[ROLE], json!({})).await?;
    let (one, other) = tokio::join!(synced.fix_of(user), synced.fix_of(user));
    let mut outcomes = [one?.outcomes, other?.outcomes];
    outcomes.sort();
    assert_eq!(outcomes, [["applied"], ["skipped"]]);
    assert_eq!(synced.app.calls("admin.roles.removeAssignments"), 1);
    synced.evaluate().await?;
    assert_eq!(synced.of_user(user).await?["status"], "resolved");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_fix_that_waited_does_what_is_right_then(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let members = synced.plain_members();
    let user = &members[0].1.id;
    synced.assign(&[user]).await?;
    synced.nobody(&[ROLE], json!({})).await?;
    let violation = synced.of_user(user).await?;
    let path = format!("drift/{}/fix", violation["id"].as_str().context("no id")?);
    let pool = &synced.app.pool;
    let mut other = pool.begin().await?;
    sqlx::query("SELECT FROM policy_evaluations FOR UPDATE").execute(&mut *other).await?;
    let body = json!({});
    let fix = synced.api.post(&path, &body);
    let resolve = async {
        // The fix waits for the other one, which ends the violation.
        let waiting = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while sqlx::query_scalar::<_, i64>(waiting).fetch_one(pool).await? == 0 {
            tokio::task::yield_now().await;
        }
        sqlx::query("UPDATE violations SET status = 'resolved'").execute(pool).await?;
        Ok(other.commit().await?)
    };
    let (fix, ()) = tokio::try_join!(fix, resolve)?;
    fix.problem(409, "violation_not_open");
    assert_eq!(synced.holders(), 1);
    Ok(())
}
