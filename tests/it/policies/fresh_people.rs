//! Fixes of people whom others changed since the copy was read: the people are read at the provider first.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::Fault;

use super::kinds::Change;
use crate::sync::SyncedApp;

/// A role that nobody holds at first.
const ROLE: &str = "Rl0H";

/// A person who must be a member of a workspace and is not, by a copy that is out of date: the person was deactivated.
struct Leaver {
    synced: SyncedApp,
    index: usize,
    user: String,
}

impl Leaver {
    async fn new(pool: PgPool, when: Value) -> anyhow::Result<Self> {
        let synced = SyncedApp::followed(pool).await?;
        let members = synced.plain_members();
        let outside = members.iter().find(|(_, one)| one.membership(1).is_none());
        let (index, user) = outside.context("everybody is in it")?;
        let (index, user) = (*index, user.id.clone());
        let parameters = json!({"when": when, "workspace_ids": [synced.workspace(1)]});
        synced.policy("required_workspaces", parameters, json!({})).await?;
        let organization = synced.organization().await?;
        let role = json!({"role_id": ROLE, "entity_ids": [organization], "user_ids": [user]});
        let role = Change::Provider("admin.roles.addAssignments", role);
        synced.make(&[role, Change::department(&user, "Moonshot")]).await?;
        let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": "active", "value": false}]});
        synced.api.patch(&format!("proxy/scim/v2/Users/{user}"), &body).await?.success()?;
        Ok(Self { synced, index, user })
    }

    async fn violation(&self) -> anyhow::Result<Value> {
        self.synced.only_drift(&format!("&user_id={}", self.user)).await
    }

    /// Requests the fix; returns its only operation with the outcome.
    async fn fix(&self) -> anyhow::Result<Value> {
        let violation = self.violation().await?;
        assert_eq!(violation["status"], "open", "{violation}");
        let path = format!("drift/{}/fix", violation["id"].as_str().context("no id")?);
        let fixed = self.synced.api.post(&path, &json!({})).await?.success()?;
        let run = fixed["result"]["last_fix"]["operations"].as_array().context("no report")?;
        let [only] = run.as_slice() else { anyhow::bail!("not one: {run:?}") };
        assert_eq!(only["operation"]["type"], "workspace_member.add", "{only}");
        Ok(only.clone())
    }

    fn assert_untouched(&self) {
        let sandbox = &self.synced.app.sandbox;
        let is_active = sandbox.with_org(|org| org.people()[self.index].is_active());
        assert!(!is_active, "the fix activated the person");
        assert_eq!(self.synced.app.calls("admin.users.assign"), 0);
    }
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_fix_does_not_activate_a_leaver(pool: PgPool) -> anyhow::Result<()> {
    let when = json!({"field": "department", "op": "eq", "value": "Moonshot"});
    let leaver = Box::pin(Leaver::new(pool, when)).await?;
    let done = leaver.fix().await?;
    assert_eq!(done["outcome"], "skipped", "{done}");
    let detail = done["detail"].as_str().context("no detail")?;
    assert!(detail.contains("no longer violate the policy"), "{detail}");
    leaver.assert_untouched();
    leaver.synced.evaluate().await?;
    assert_eq!(leaver.violation().await?["status"], "resolved");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn no_fix_gives_access_to_a_person_who_cant_sign_in(pool: PgPool) -> anyhow::Result<()> {
    let when = json!({"field": "roles.id", "op": "eq", "value": ROLE});
    let leaver = Box::pin(Leaver::new(pool, when)).await?;
    // Without a complete copy of the roles it is unknown whether the person violates the policy.
    sqlx::query("DELETE FROM directory_copies WHERE kind = 'role_assignment'")
        .execute(&leaver.synced.app.pool)
        .await?;
    let done = leaver.fix().await?;
    assert_eq!(done["outcome"], "refused", "{done}");
    let detail = done["detail"].as_str().context("no detail")?;
    assert!(detail.contains("deactivated or deleted"), "{detail}");
    leaver.assert_untouched();
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_person_who_cant_be_read_is_not_changed(pool: PgPool) -> anyhow::Result<()> {
    let when = json!({"field": "department", "op": "eq", "value": "Moonshot"});
    let leaver = Box::pin(Leaver::new(pool, when)).await?;
    leaver.synced.app.sandbox.add_fault(Fault::refused("users.info", "missing_scope", 9));
    let done = leaver.fix().await?;
    assert_eq!(done["outcome"], "failed", "{done}");
    let detail = done["detail"].as_str().context("no detail")?;
    assert!(detail.contains("could not be read before the fix"), "{detail}");
    leaver.assert_untouched();
    Ok(())
}
