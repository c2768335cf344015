//! Every kind of policy by the same story: what comes close to a violation, what is one, what ends it, its return, its
//! acknowledgement and its fix.

mod access;
mod emails;
mod guests;
mod parameters;
mod profiles;
mod removed_roles;
mod roles;

use anyhow::Context as _;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::clock::Clock as _;
use switchboard::sandbox::org::{
    Actor, Edit, EditError, GridOrganization, OrgLevel, Person, PersonKind, PersonStatus,
    WorkspaceLevel,
};
use time::Duration;
use time::format_description::well_known::Rfc3339;

use crate::sync::SyncedApp;

/// Seconds for which a violation is acknowledged.
const ACKNOWLEDGED_S: i64 = 60;

/// A change that a person makes of an account of the sandbox.
type OwnAct = Box<dyn Fn(&mut Edit<'_>) -> Result<(), EditError> + Send + Sync>;

/// A change of the directory.
pub(super) enum Change {
    /// By a method of the provider; its audit log has it.
    Provider(&'static str, Value),
    /// Of a user by SCIM: the operation of a patch; an event reports the user.
    Scim(String, Value),
    /// What the provider does not report: the next run finds it.
    Unreported(OwnAct),
    /// None but the time; the next run looks at it.
    Later(Duration),
    /// By the unified API.
    Gateway(Method, String, Value),
}

impl Change {
    /// Makes a level of a workspace by the provider's method.
    pub(super) fn level(method: &'static str, user: &str, workspace: &str) -> Self {
        Self::Provider(method, json!({"user_id": user, "team_id": workspace}))
    }

    /// Sets an attribute of a user by SCIM.
    pub(super) fn set(user: &str, path: &str, value: impl Into<Value>) -> Self {
        let operation = json!({"op": "replace", "path": path, "value": value.into()});
        Self::Scim(user.to_owned(), operation)
    }

    /// Sets the department of a user.
    pub(super) fn department(user: &str, department: &str) -> Self {
        let path = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";
        Self::set(user, path, department)
    }

    /// Changes what the provider does not report.
    pub(super) fn unreported(
        act: impl Fn(&mut Edit<'_>) -> Result<(), EditError> + Send + Sync + 'static,
    ) -> Self {
        Self::Unreported(Box::new(act))
    }

    async fn make(&self, synced: &SyncedApp) -> anyhow::Result<()> {
        match self {
            Self::Provider(method, body) => {
                synced.outside(method, body).await?;
            }
            Self::Scim(user, operation) => {
                let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                    "Operations": [operation]});
                let path = format!("proxy/scim/v2/Users/{user}");
                synced.api.patch(&path, &body).await?.success()?;
                synced.report(json!({"type": "user_change", "user": {"id": user}})).await?;
            }
            Self::Unreported(act) => {
                let changed = synced.app.sandbox.change_org(Actor::Provider, |edit| act(edit));
                changed.map_err(|error| anyhow::anyhow!("{error:?}"))?;
                synced.synced().await?;
                return Ok(());
            }
            Self::Later(time) => {
                // A run takes two seconds.
                synced.app.clock.advance(*time - Duration::seconds(2));
                synced.synced().await?;
                return Ok(());
            }
            Self::Gateway(method, path, body) => {
                // Not at the same time as what was found before.
                synced.app.clock.advance(Duration::seconds(1));
                let text = body.to_string();
                let body = (!body.is_null()).then_some(("application/json", text.as_str()));
                let changed = synced.api.send(method.clone(), path, body).await?;
                anyhow::ensure!(changed.status < 300, "{path}: {}", changed.text);
            }
        }
        synced.app.sandbox.advance_clock(Duration::seconds(301));
        synced.poll().await
    }
}

impl SyncedApp {
    /// Makes changes one after the other, and evaluates what is due.
    pub(super) async fn make(&self, changes: &[Change]) -> anyhow::Result<()> {
        for change in changes {
            change.make(self).await?;
        }
        self.evaluate().await
    }

    /// Returns a synced directory whose audit log is followed.
    pub(super) async fn followed(pool: PgPool) -> anyhow::Result<Self> {
        let synced = Self::new(pool, json!({})).await?;
        synced.synced().await?;
        synced.follow().await?;
        Ok(synced)
    }

    /// Returns the active people whom a rule selects, with their positions.
    pub(crate) fn people(&self, is_one: impl Fn(&Person) -> bool) -> Vec<(usize, Person)> {
        self.app.sandbox.with_org(|org| {
            let people = org.people().iter().enumerate();
            let active = people.filter(|(_, one)| one.status == PersonStatus::Active);
            active.filter(|(_, one)| is_one(one)).map(|(at, one)| (at, one.clone())).collect()
        })
    }

    /// Returns the members of the first workspace who hold no role besides that of a member.
    pub(crate) fn plain_members(&self) -> Vec<(usize, Person)> {
        let is_plain = |one: &Person| {
            one.kind == PersonKind::Human
                && one.org_level == OrgLevel::Member
                && one.membership(0).is_some()
                && one.memberships.iter().all(|place| place.level == WorkspaceLevel::Member)
        };
        let mut plain = self.people(is_plain);
        self.app.sandbox.with_org(|org| {
            plain.retain(|(index, _)| org.roles.for_user(*index).next().is_none());
        });
        plain
    }

    /// Returns the id of a workspace.
    pub(super) fn workspace(&self, index: usize) -> String {
        self.app.sandbox.with_org(|org| org.workspaces[index].id.clone())
    }

    /// Returns what a policy that is not stored would find, by the subjects' ids.
    pub(super) async fn would_find(
        &self,
        kind: &str,
        parameters: &Value,
    ) -> anyhow::Result<Vec<String>> {
        let policy = json!({"name": kind, "kind": kind, "parameters": parameters});
        let found = self.api.post("policies/evaluate", &json!({ "policy": policy })).await?;
        let result = &found.success()?["result"];
        anyhow::ensure!(result["problem"].is_null(), "{result}");
        let findings = result["findings"].as_array().context("no findings")?;
        let ids = findings.iter().map(|one| one["subject"]["id"].as_str().map(str::to_owned));
        ids.collect::<Option<_>>().context("no subject")
    }
}

/// A policy, and changes that violate it and end that.
pub(super) struct Scenario<'a> {
    /// The kind.
    pub(super) kind: &'a str,
    /// The parameters.
    pub(super) parameters: Value,
    /// What comes as close to a violation as possible.
    pub(super) edge: Vec<Change>,
    /// What makes a violation.
    pub(super) begin: Vec<Change>,
    /// Its subject, as type and id.
    pub(super) subject: (&'a str, &'a str),
    /// What its summary says.
    pub(super) summary: &'a str,
    /// What ends it.
    pub(super) end: Vec<Change>,
    /// The operations of its fix; none for those that a person must decide on.
    pub(super) fix: Vec<&'a str>,
    /// Whether the provider has what the fix leads to.
    pub(super) is_fixed: &'a (dyn Fn(&GridOrganization) -> bool + Sync),
}

impl Scenario<'_> {
    /// Tells the story.
    pub(super) async fn run(&self, synced: &SyncedApp) -> anyhow::Result<()> {
        let policy = synced.policy(self.kind, self.parameters.clone(), json!({})).await?;
        let policy = policy["id"].as_str().context("no id")?;
        let baseline = self.unresolved(synced, policy).await?.len();
        assert!(self.find(synced, policy).await?.is_none(), "before");
        synced.make(&self.edge).await?;
        assert_eq!(self.unresolved(synced, policy).await?.len(), baseline, "at the limit");

        let before = synced.events().await?.len();
        synced.make(&self.begin).await?;
        let first = self.open(synced, policy).await?;
        assert_eq!(first["occurrences"], 1);
        let summary = first["evidence"]["summary"].as_str().context("no summary")?;
        assert!(summary.contains(self.summary), "{summary}");
        self.assert_found_from_scratch(synced, policy, &first).await?;

        synced.make(&self.end).await?;
        let ended = self.find(synced, policy).await?.context("no violation")?;
        assert_eq!(ended["status"], "resolved", "{ended}");
        synced.make(&self.begin).await?;
        let again = self.open(synced, policy).await?;
        assert_eq!((&again["id"], &again["occurrences"]), (&first["id"], &json!(2)));

        self.acknowledge(synced, policy, &again).await?;
        self.fix(synced, policy).await?;
        let (detected, resolved) = ("drift.detected", "drift.resolved");
        let mut events = synced.drift_events(before).await?;
        events.retain(|event| event["object"]["id"] == first["id"]);
        let kinds: Vec<&Value> = events.iter().map(|event| &event["type"]).collect();
        let all = [detected, resolved, detected, detected, resolved];
        // Events are listed for 30 days, and the scenario of inactive people takes longer.
        let listed = if self.kind == "inactive_users" { &all[2..] } else { &all[..] };
        assert_eq!(kinds, listed);
        Ok(())
    }

    /// Returns the violations of the policy that are not resolved.
    async fn unresolved(&self, synced: &SyncedApp, policy: &str) -> anyhow::Result<Vec<Value>> {
        let mut found = synced.drift(&format!("&policy_id={policy}")).await?;
        found.retain(|one| one["status"] != "resolved");
        Ok(found)
    }

    async fn find(&self, synced: &SyncedApp, policy: &str) -> anyhow::Result<Option<Value>> {
        let (kind, id) = self.subject;
        let found = synced.drift(&format!("&policy_id={policy}")).await?;
        Ok(found.into_iter().find(|one| one["subject"] == json!({"type": kind, "id": id})))
    }

    async fn status(&self, synced: &SyncedApp, policy: &str) -> anyhow::Result<Value> {
        Ok(self.find(synced, policy).await?.context("no violation")?["status"].clone())
    }

    async fn open(&self, synced: &SyncedApp, policy: &str) -> anyhow::Result<Value> {
        let found = self.find(synced, policy).await?.context("no violation")?;
        assert_eq!(found["status"], "open", "{found}");
        Ok(found)
    }

    /// Checks that an evaluation over everybody finds the same.
    async fn assert_found_from_scratch(
        &self,
        synced: &SyncedApp,
        policy: &str,
        violation: &Value,
    ) -> anyhow::Result<()> {
        let path = format!("policies/{policy}/evaluate");
        let found = synced.api.post(&path, &json!({})).await?.success()?;
        let found = found["result"]["findings"].as_array().context("no findings")?;
        let same = found.iter().find(|one| one["subject"] == violation["subject"]);
        let same = same.context("not found from scratch")?;
        for part in ["evidence", "fix", "fix_unavailable"] {
            assert_eq!(same[part], violation[part], "{part}");
        }
        Ok(())
    }

    /// Acknowledges the violation, until it is open again.
    async fn acknowledge(
        &self,
        synced: &SyncedApp,
        policy: &str,
        violation: &Value,
    ) -> anyhow::Result<()> {
        let until = synced.app.clock.now() + Duration::seconds(ACKNOWLEDGED_S);
        let body = json!({"reason": "Agreed", "expires_at": until.format(&Rfc3339)?});
        let path = format!("drift/{}/acknowledge", violation["id"].as_str().context("no id")?);
        synced.api.post(&path, &body).await?.success()?;
        synced.app.clock.advance(Duration::seconds(ACKNOWLEDGED_S - 1));
        synced.evaluate().await?;
        assert_eq!(self.status(synced, policy).await?, "acknowledged");
        synced.app.clock.advance(Duration::seconds(1));
        synced.evaluate().await?;
        let open = self.open(synced, policy).await?;
        assert_eq!(open["occurrences"], violation["occurrences"], "{open}");
        Ok(())
    }

    /// Fixes the violation at the provider; where a person must decide, that person does.
    async fn fix(&self, synced: &SyncedApp, policy: &str) -> anyhow::Result<()> {
        let open = self.open(synced, policy).await?;
        let operations = open["fix"].as_array().context("no fix")?;
        let names: Vec<&Value> = operations.iter().map(|one| &one["type"]).collect();
        assert_eq!(names, self.fix);
        let reason = open["fix_unavailable"].as_str();
        assert_eq!(reason.is_some(), self.fix.is_empty(), "{reason:?}");
        let path = format!("drift/{}/fix", open["id"].as_str().context("no id")?);
        let response = synced.api.post(&path, &json!({})).await?;
        if self.fix.is_empty() {
            response.problem(409, "nothing_to_fix");
            synced.make(&self.end).await?;
        } else {
            let fixed = response.success()?;
            let report = &fixed["result"]["last_fix"];
            let run = report["operations"].as_array().context("no operations")?;
            assert_eq!(run.len(), self.fix.len(), "{report}");
            assert!(run.iter().all(|one| one["outcome"] == "applied"), "{report}");
            assert!(synced.app.sandbox.with_org(self.is_fixed), "{report}");
            synced.evaluate().await?;
            let resolved = self.find(synced, policy).await?.context("no violation")?;
            assert_eq!(resolved["last_fix"], *report);
        }
        assert_eq!(self.status(synced, policy).await?, "resolved");
        Ok(())
    }
}

/// For kinds without a fix.
pub(super) const NOT_FIXED: &(dyn Fn(&GridOrganization) -> bool + Sync) = &|_| false;
