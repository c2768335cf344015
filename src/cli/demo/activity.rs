//! What happens in the demo's organization after its first copy, so that history, drift, a plan and a held run can be
//! looked at: an owner changes people at the provider, the gateway plans what an export of an HR system says, and most
//! members of a group disappear.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use http::Method;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::provider_app::ACTOR;
use crate::cli::gateway_client::GatewayClient;
use crate::cli::sync;
use crate::domain::ids::{IntegratedAccountId, SyncRunId};
use crate::domain::sync::{SyncResource, SyncStatus};
use crate::sandbox::Sandbox;
use crate::sandbox::org::{
    Actor, AssignableLevel, Edit, GridOrganization, GroupIndex, GroupOwner, LevelScope, OrgLevel,
    PersonIndex, PersonStatus, ProfileText,
};
use crate::store::TenantDb;

/// The pause between two looks at a run.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Members that are changed.
const MEMBERS: usize = 8;
/// How often the audit log is read, which knows who made a change.
const POLL_EVERY_S: u32 = 60;
/// The group that loses members keeps one of this many.
const KEPT_SHARE: usize = 4;

/// Where it happens.
pub(super) struct Activity<'a> {
    pub(super) db: &'a TenantDb,
    /// A client with the admin key.
    pub(super) gateway: GatewayClient,
    pub(super) sandbox: &'a Sandbox,
    pub(super) account_id: IntegratedAccountId,
    /// The first run.
    pub(super) run: SyncRunId,
}

impl Activity<'_> {
    /// Makes the changes. Does nothing if the first run does not succeed.
    pub(super) async fn make(&self) -> anyhow::Result<()> {
        let account = format!("/integrated-accounts/{}", self.account_id);
        let patch = json!({"sync": {"poll_every_s": POLL_EVERY_S}});
        self.send(Method::PATCH, &account, &patch).await?;
        if self.ended(self.run).await? != SyncStatus::Succeeded {
            return Ok(());
        }
        self.change_people()?;
        let second = self.sync().await?;
        self.ended(second).await?;
        self.plan().await?;
        self.remove_group_members()?;
        self.sync().await?;
        Ok(())
    }

    /// Changes titles, and makes a member an admin of the organization.
    fn change_people(&self) -> anyhow::Result<()> {
        let (owner, members) = self.sandbox.with_org(|org| (primary_owner(org), members(org)));
        let owner = owner.context("no primary owner")?;
        let change = |edit: &mut Edit<'_>| {
            let titles = ["Engineering Manager", "Account Executive", "Data Analyst"];
            for (member, title) in members.iter().zip(titles) {
                // An organization without such members has less to look at.
                let _ = edit.set_profile_text(*member, ProfileText::Title, title);
            }
            if let Some(member) = members.last() {
                let _ =
                    edit.assign_level(*member, LevelScope::Organization, AssignableLevel::Admin);
            }
        };
        self.sandbox.change_org(Actor::Person(owner), change);
        Ok(())
    }

    /// Plans what an export says: new departments, a member of another workspace, and a new person.
    async fn plan(&self) -> anyhow::Result<()> {
        let (emails, workspaces) = self.sandbox.with_org(|org| {
            let members = members(org);
            let person = |index: PersonIndex| org.person(index).map(|person| person.email.clone());
            let workspaces: Vec<String> =
                org.workspaces.iter().map(|workspace| workspace.id.clone()).collect();
            (members.into_iter().filter_map(person).collect::<Vec<_>>(), workspaces)
        });
        let mut users: Vec<Value> = emails
            .iter()
            .take(3)
            .map(|email| json!({"email": email, "department": "Field Sales"}))
            .collect();
        if let (Some(email), Some(workspace)) = (emails.get(3), workspaces.last()) {
            users.push(json!({"email": email, "workspaces": [workspace]}));
            users.push(json!({"email": "jo.iner@lumenworks.example", "name": "Jo Iner",
                "department": "Field Sales", "workspaces": [workspace]}));
        }
        let plan = json!({"integrated_account_id": self.account_id, "name": "HR export",
            "desired": {"users": users}});
        self.send(Method::POST, "/reconciliations", &plan).await
    }

    /// Removes most members of the largest group that the identity provider has, without telling anybody.
    fn remove_group_members(&self) -> anyhow::Result<()> {
        let group = self.sandbox.with_org(|org| {
            let groups = org.groups.iter();
            let groups = groups.filter(|(_, group)| group.owner == GroupOwner::IdentityProvider);
            groups
                .max_by_key(|(_, group)| group.members.len())
                .map(|(index, group)| (index, group.name.clone(), group.members.clone()))
        });
        let (index, name, members): (GroupIndex, String, BTreeSet<PersonIndex>) =
            group.context("no group")?;
        let kept = members.into_iter().step_by(KEPT_SHARE).collect();
        self.sandbox
            .change_org(Actor::Provider, |edit| edit.update_group(index, &name, &kept))
            .map_err(|error| anyhow::anyhow!("the group can't be changed: {error:?}"))
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<()> {
        self.gateway.fetch::<IgnoredAny>(method, path, &[], Some(body)).await?;
        Ok(())
    }

    /// Requests a run, or returns the one that is in progress.
    async fn sync(&self) -> anyhow::Result<SyncRunId> {
        let requested = sync::request(self.db, self.account_id, SyncResource::ALL, ACTOR).await?;
        Ok(requested.unwrap_or_else(|running| running))
    }

    /// Waits for the end of a run; returns its status.
    async fn ended(&self, run: SyncRunId) -> anyhow::Result<SyncStatus> {
        loop {
            let status = self.db.sync_run(run).await?.context("the run was not found")?.status;
            if !matches!(status, SyncStatus::Queued | SyncStatus::Running) {
                return Ok(status);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}

/// Returns the organization's primary owner.
fn primary_owner(org: &GridOrganization) -> Option<PersonIndex> {
    org.primary_owner().and_then(|owner| org.find(&owner.id)).map(|(index, _)| index)
}

/// Returns some plain members of one workspace.
fn members(org: &GridOrganization) -> Vec<PersonIndex> {
    let is_plain = |index: &PersonIndex| {
        org.person(*index).is_some_and(|person| {
            !person.is_bot()
                && person.status == PersonStatus::Active
                && person.org_level == OrgLevel::Member
                && person.guest_level().is_none()
                && person.memberships.len() == 1
        })
    };
    org.directory().iter().copied().filter(is_plain).take(MEMBERS).collect()
}
