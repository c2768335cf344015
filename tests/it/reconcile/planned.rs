//! Requests plans, applies them, and reads what became of them.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::sync::{SyncedApp, id_of};

/// An account whose directory was synced, and some of its people and places.
pub(crate) struct Organization {
    /// The gateway with the account.
    pub(crate) synced: SyncedApp,
    /// The ids of the workspaces, ordered.
    pub(crate) workspaces: Vec<String>,
}

impl Organization {
    /// Returns an organization that was synced.
    pub(crate) async fn of(synced: SyncedApp) -> anyhow::Result<Self> {
        synced.synced().await?;
        let workspaces = synced.all("workspaces?source=synced&limit=100").await?;
        Ok(Self { synced, workspaces: workspaces.into_keys().collect() })
    }

    /// Returns active members by their e-mail address, who hold no privileged role.
    pub(crate) async fn members(&self) -> anyhow::Result<BTreeMap<String, Value>> {
        let path = "users?source=synced&limit=1000&status=active&user_type=member&expand[]=roles";
        let users = self.synced.all(path).await?;
        let is_plain = |user: &Value| {
            let roles = user["roles"].as_array().cloned().unwrap_or_default();
            roles.iter().all(|role| role["id"].as_str().is_some_and(|id| id.ends_with(":member")))
        };
        let plain = users.into_values().filter(is_plain);
        plain
            .map(|user| {
                let email = user.pointer("/emails/0/email").and_then(Value::as_str);
                Ok((email.context("no address")?.to_owned(), user))
            })
            .collect()
    }

    /// Returns the e-mail address of a member, and a workspace that the member does not belong to.
    pub(crate) async fn member_elsewhere(&self) -> anyhow::Result<(String, String)> {
        let members = self.members().await?;
        let found = members.into_iter().find_map(|(email, user)| {
            let own = ids(&user["workspaces"]);
            Some((email, self.workspaces.iter().find(|id| !own.contains(*id))?.clone()))
        });
        found.context("everybody is everywhere")
    }

    /// Returns the number of provider calls so far.
    pub(crate) fn calls(&self) -> u64 {
        self.synced.app.sandbox.requests(None).counts.values().sum()
    }

    /// Requests a plan and returns it once it was made.
    pub(crate) async fn plan(&self, desired: &Value, options: &Value) -> anyhow::Result<Value> {
        let mut body = json!({"integrated_account_id": self.synced.account, "desired": desired});
        if let (Some(body), Some(options)) = (body.as_object_mut(), options.as_object()) {
            body.extend(options.clone());
        }
        let requested = self.synced.api.post("reconciliations", &body).await?;
        anyhow::ensure!(requested.status == 202, "{}", requested.text);
        let id = id_of(&requested.body)?;
        self.synced.work().await?;
        self.read(&id).await
    }

    /// Returns a reconciliation.
    pub(crate) async fn read(&self, id: &str) -> anyhow::Result<Value> {
        let read = self.synced.api.get(&format!("reconciliations/{id}")).await?.success()?;
        Ok(read["result"].clone())
    }

    /// Applies a plan to its end.
    pub(crate) async fn apply(&self, plan: &Value) -> anyhow::Result<Value> {
        self.apply_with(plan, &json!({})).await
    }

    /// Applies a plan to its end, with more fields in the request.
    pub(crate) async fn apply_with(&self, plan: &Value, more: &Value) -> anyhow::Result<Value> {
        let id = plan["id"].as_str().context("no id")?;
        let mut body = json!({"hash": plan["hash"]});
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        let path = format!("reconciliations/{id}/apply");
        let requested = self.synced.api.post(&path, &body).await?;
        anyhow::ensure!(requested.status == 202, "{}", requested.text);
        self.synced.work().await?;
        self.read(id).await
    }

    /// Requests the plan that undoes another one, and returns it once it was made.
    pub(crate) async fn inverse(&self, plan: &Value) -> anyhow::Result<Value> {
        let id = plan["id"].as_str().context("no id")?;
        let path = format!("reconciliations/{id}/inverse");
        let requested = self.synced.api.post(&path, &json!({})).await?;
        anyhow::ensure!(requested.status == 202, "{}", requested.text);
        self.synced.work().await?;
        self.read(&id_of(&requested.body)?).await
    }

    /// Brings some members to a desired state: makes and applies the plan, whose steps must all be applied.
    pub(crate) async fn bring(&self, desired: &Value, options: &Value) -> anyhow::Result<Value> {
        let plan = self.plan(desired, options).await?;
        let applied = self.apply(&plan).await?;
        let steps = self.steps(&plan).await?;
        anyhow::ensure!(applied["status"] == "applied", "{applied}: {steps:#?}");
        Ok(applied)
    }

    /// Returns the steps of a plan that are about a person and are not skipped: their types.
    pub(crate) async fn open_steps(&self, plan: &Value, key: &str) -> anyhow::Result<Vec<String>> {
        let steps = outline(&self.steps(plan).await?);
        let open = steps.into_iter().filter(|(_, of, outcome)| of == key && outcome != "skipped");
        Ok(open.map(|(kind, ..)| kind).collect())
    }

    /// Returns all steps of a plan: the operation's type, the outcome, and the whole step.
    pub(crate) async fn steps(&self, plan: &Value) -> anyhow::Result<Vec<Value>> {
        let id = plan["id"].as_str().context("no id")?;
        let (mut steps, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("reconciliations/{id}/steps?limit=200{cursor}");
            let page = self.synced.api.get(&path).await?.success()?;
            steps.extend(page["result"].as_array().context("no steps")?.iter().cloned());
            let Some(next) = page["next_cursor"].as_str() else { return Ok(steps) };
            cursor = format!("&next_cursor={next}");
        }
    }

    /// Returns in how many places a user holds a role, by the provider.
    pub(crate) async fn roles(&self, user: &Value, role: &str) -> anyhow::Result<usize> {
        let id = user["id"].as_str().context("no id")?;
        let path = format!("role-assignments?user[id]={id}&role[id]={role}");
        let held = self.synced.api.get(&path).await?.success()?;
        Ok(held["result"].as_array().map_or(0, Vec::len))
    }

    /// Returns the user as the provider has it now, with roles and groups.
    pub(crate) async fn live(&self, user: &Value) -> anyhow::Result<Value> {
        let id = user["id"].as_str().context("no id")?;
        let live = self.synced.api.get(&format!("users/{id}")).await?.success()?;
        Ok(live["result"].clone())
    }
}

/// Returns the ids of a list of objects, ordered.
pub(crate) fn ids(list: &Value) -> Vec<String> {
    let mut ids: Vec<String> = list
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one["id"].as_str().map(str::to_owned))
        .collect();
    ids.sort();
    ids
}

/// Returns what steps do: type, subject and outcome.
pub(crate) fn outline(steps: &[Value]) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    steps
        .iter()
        .map(|step| {
            let operation = text(&step["operation"]["type"]);
            (operation, text(&step["subject"]["key"]), text(&step["outcome"]))
        })
        .collect()
}
