//! A model test: random policies and random changes. What evaluations of the people of events find is what an evaluation
//! over everybody finds.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::org::Actor;
use time::Duration;

use crate::sync::SyncedApp;
use crate::sync::model::{Choices, RandomDirectory as _, SlackDirectory};

/// Rounds of changes.
const ROUNDS: usize = 9;
/// Changes of a round.
const CHANGES: usize = 5;
/// A round of so many has a run.
const RUN_EVERY: usize = 3;
/// Policies of each kind.
const PER_KIND: usize = 2;
const DAY_S: i64 = 86_400;
/// Roles, privileged and not.
const ROLES: [&str; 6] = ["org:owner", "org:admin", "ws:owner", "ws:admin", "Rl01", "Rl03"];
const DEPARTMENTS: [&str; 3] = ["Sales", "IT", "Moonshot"];

/// A directory with policies that change at random.
struct Model {
    synced: SyncedApp,
    directory: SlackDirectory,
    guests: Vec<String>,
    choices: Choices,
    policies: Vec<(String, String)>,
}

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|one| (*one).to_owned()).collect()
}

impl Model {
    async fn new(pool: PgPool, seed: u64) -> anyhow::Result<Self> {
        let synced = SyncedApp::followed(pool).await?;
        let directory = SlackDirectory::of(&synced).await?;
        let guests = synced.people(|one| one.guest_level().is_some());
        let guests = guests.into_iter().map(|(_, one)| one.id).collect();
        let choices = Choices::new(seed);
        Ok(Self { synced, directory, guests, choices, policies: Vec::new() })
    }

    fn one_of<'a>(&self, all: &[&'a str]) -> &'a str {
        all[self.choices.below(all.len())]
    }

    /// Returns a random selection of these, which is not empty.
    fn some_of(&self, all: &[String]) -> anyhow::Result<Vec<String>> {
        let count = 1 + self.choices.below(3);
        let some: BTreeSet<&str> =
            (0..count).map(|_| self.choices.of(all)).collect::<anyhow::Result<_>>()?;
        Ok(some.into_iter().map(str::to_owned).collect())
    }

    fn condition(&self, depth: usize) -> anyhow::Result<Value> {
        let field =
            |field: &str, op: &str, value: Value| json!({"field": field, "op": op, "value": value});
        Ok(match self.choices.below(if depth == 0 { 6 } else { 9 }) {
            0 => field("department", "eq", json!(self.one_of(&DEPARTMENTS))),
            1 => field("title", "contains", json!(self.one_of(&["1", "2", "Eng"]))),
            2 => field("roles.id", "in", json!(self.some_of(&texts(&ROLES))?)),
            3 => field("groups", "eq", json!(self.choices.of(&self.directory.groups)?)),
            4 => field("workspaces.id", "ne", json!(self.choices.of(&self.directory.workspaces)?)),
            5 => json!({"expression": "$count(workspaces) > 1 and status = 'active'"}),
            6 => json!({"not": self.condition(depth - 1)?}),
            7 => json!({"all": [self.condition(depth - 1)?, self.condition(depth - 1)?]}),
            _ => json!({"any": [self.condition(depth - 1)?, self.condition(depth - 1)?]}),
        })
    }

    /// Returns random parameters of a kind.
    fn parameters(&self, kind: &str) -> anyhow::Result<Value> {
        let roles = self.some_of(&texts(&ROLES))?;
        let workspaces = self.some_of(&self.directory.workspaces)?;
        let count = self.choices.below(6);
        Ok(match kind {
            "allowed_email_domains" => json!({"domains": ["lumenworks.example"]}),
            "expression" => {
                let expression = self.one_of(&[
                    "$count(roles[is_privileged]) = 0",
                    "$not(department = 'Moonshot') or 'Title 7' = title",
                    "$count(groups) < 3",
                    "status = 'active'",
                ]);
                json!({ "expression": expression })
            }
            "forbidden_workspaces" | "required_workspaces" => {
                json!({"when": self.condition(2)?, "workspace_ids": workspaces})
            }
            "guest_limits" => json!({"max_guests": count, "max_workspaces": 1}),
            "guests_must_expire" => json!({"within_days": 30}),
            "inactive_users" => json!({"days": 2}),
            "max_holders" => {
                json!({"role_ids": roles, "workspace_ids": workspaces, "count": count})
            }
            "min_holders" => json!({"role_ids": roles, "count": count + 1}),
            "role_holders" => {
                let allowed = json!({"user_ids": self.some_of(&self.directory.users)?,
                    "group_ids": self.some_of(&self.directory.groups)?,
                    "departments": [self.one_of(&DEPARTMENTS)]});
                json!({"role_ids": roles, "allowed": allowed})
            }
            "separation_of_duties" => json!({"role_ids": ["Rl01", "Rl03", "ws:admin", "ws:owner"]}),
            "two_factor_required" | "sso_required" | "unmanaged_change" if count < 3 => {
                json!({ "role_ids": roles })
            }
            _ => json!({}),
        })
    }

    async fn add_policies(&mut self) -> anyhow::Result<()> {
        let kinds = self.synced.api.get("policies/kinds").await?.success()?;
        for kind in kinds["result"].as_array().context("no kinds")? {
            let kind = kind["name"].as_str().context("no name")?;
            for _ in 0..PER_KIND {
                let body =
                    json!({"name": kind, "kind": kind, "parameters": self.parameters(kind)?});
                let created =
                    self.synced.app.home.admin.post("policies", &body).await?.created()?;
                let id = created["result"]["id"].as_str().context("no id")?.to_owned();
                self.policies.push((kind.to_owned(), id));
            }
        }
        Ok(())
    }

    /// Makes one change; the provider may refuse it.
    async fn change(&self) -> anyhow::Result<()> {
        let Self { synced, directory, choices, .. } = self;
        let api = &synced.api;
        let guest = choices.of(&self.guests)?.to_owned();
        let user = choices.of(&directory.users)?.to_owned();
        let workspace = choices.of(&directory.workspaces)?;
        let place = |user: &str| json!({"user_id": user, "team_id": workspace});
        let scim = |path: &str, value: Value| {
            json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                "Operations": [{"op": "replace", "path": path, "value": value}],
            })
        };
        let of_user = format!("proxy/scim/v2/Users/{user}");
        let changed = match choices.below(12) {
            0 => {
                let path = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";
                api.patch(&of_user, &scim(path, json!(self.one_of(&DEPARTMENTS)))).await?;
                user
            }
            1 => {
                api.patch(&of_user, &scim("active", json!(choices.below(2) == 0))).await?;
                user
            }
            2 => {
                let is_active = json!(choices.below(2) == 0);
                let path = format!("proxy/scim/v2/Users/{guest}");
                api.patch(&path, &scim("active", is_active)).await?;
                guest
            }
            3 => {
                let ends = [0, 10 * DAY_S, 400 * DAY_S][choices.below(3)];
                let now = synced.app.sandbox.now().unix_timestamp();
                let mut body = place(&guest);
                body["expiration_ts"] = json!(if ends == 0 { 0 } else { now + ends });
                api.post("proxy/api/admin.users.setExpiration", &body).await?;
                guest
            }
            4 => {
                api.post("proxy/api/admin.users.setOwner", &place(&user)).await?;
                user
            }
            5 => {
                let organization = synced.organization().await?;
                let method = self.one_of(&["setOwner", "setAdmin", "setRegular"]);
                let body = json!({"user_id": user, "team_id": organization});
                api.post(&format!("proxy/api/admin.users.{method}"), &body).await?;
                user
            }
            6 => {
                let method = self.one_of(&["addAssignments", "removeAssignments"]);
                let body = json!({"role_id": self.one_of(&["Rl01", "Rl03"]), "entity_ids": [workspace],
                    "user_ids": [user]});
                api.post(&format!("proxy/api/admin.roles.{method}"), &body).await?;
                user
            }
            7 => {
                let is_on = choices.below(2) == 0;
                let now = synced.app.sandbox.now().unix_timestamp();
                synced
                    .app
                    .sandbox
                    .change_org(Actor::Provider, |edit| {
                        let index = edit.find(&user).map(|(index, _)| index).unwrap_or_default();
                        edit.set_two_factor(index, is_on)
                            .and_then(|()| edit.set_single_sign_on(index, is_on))
                            .and_then(|()| edit.set_last_active(index, if is_on { now } else { 0 }))
                    })
                    .map_err(|error| anyhow::anyhow!("{error:?}"))?;
                user
            }
            _ => return directory.change(synced, choices).await,
        };
        synced.report(json!({"type": "user_change", "user": {"id": changed}})).await
    }

    /// Changes a policy, or whether it is evaluated.
    async fn change_policy(&self) -> anyhow::Result<()> {
        let (kind, id) = &self.policies[self.choices.below(self.policies.len())];
        let change = match self.choices.below(3) {
            0 => json!({"is_active": false}),
            1 => json!({"is_active": true}),
            _ => json!({"parameters": self.parameters(kind)?}),
        };
        self.synced.app.home.admin.patch(&format!("policies/{id}"), &change).await?.success()?;
        Ok(())
    }

    /// Checks that the open violations are what an evaluation over everybody finds. Returns their number.
    async fn assert_same_as_from_scratch(&self) -> anyhow::Result<usize> {
        let mut count = 0;
        let part = |one: &Value| {
            (
                one["subject"].to_string(),
                json!([one["evidence"], one["fix"], one["fix_unavailable"]]),
            )
        };
        for (kind, id) in &self.policies {
            let path = format!("policies/{id}");
            let policy = self.synced.api.get(&path).await?.success()?;
            let path = format!("policies/{id}/evaluate");
            let found = self.synced.api.post(&path, &json!({})).await?.success()?;
            assert_eq!(found["result"]["problem"], Value::Null, "{kind}");
            let found = found["result"]["findings"].as_array().context("no findings")?;
            let mut found: BTreeMap<String, Value> = found.iter().map(part).collect();
            if policy["result"]["is_active"] == false {
                found.clear();
            }
            let open = self.synced.drift(&format!("&status=open&policy_id={id}")).await?;
            let open: BTreeMap<String, Value> = open.iter().map(part).collect();
            let parameters = &policy["result"]["parameters"];
            assert_eq!(open, found, "{kind} {parameters}");
            count += open.len();
        }
        Ok(count)
    }

    async fn run(&mut self) -> anyhow::Result<()> {
        self.add_policies().await?;
        self.synced.evaluate().await?;
        let mut counts = BTreeSet::from([self.assert_same_as_from_scratch().await?]);
        for round in 1..=ROUNDS {
            for _ in 0..CHANGES {
                self.change().await?;
            }
            if round.is_multiple_of(RUN_EVERY) {
                self.change_policy().await?;
                self.synced.synced().await?;
                // The run found changes whose authors only the audit log names, which is read afterwards.
                self.synced.evaluate().await?;
                counts.insert(self.assert_same_as_from_scratch().await?);
            }
            self.synced.app.sandbox.advance_clock(Duration::seconds(301));
            self.synced.poll().await?;
            self.synced.evaluate().await?;
            counts.insert(self.assert_same_as_from_scratch().await?);
        }
        anyhow::ensure!(counts.len() > ROUNDS / 2, "the violations did not change: {counts:?}");
        Ok(())
    }
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn events_lead_to_the_violations_of_an_evaluation_from_scratch(
    pool: PgPool,
) -> anyhow::Result<()> {
    Model::new(pool, 11).await?.run().await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn other_events_lead_to_the_violations_of_an_evaluation_from_scratch(
    pool: PgPool,
) -> anyhow::Result<()> {
    Model::new(pool, 12).await?.run().await
}
