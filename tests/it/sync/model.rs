//! A model test: random changes by all ways; then the copy equals the directory, the events lead from nothing to the
//! copy, and the past is as it was.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::entropy::{Entropy, SeededEntropy, random_bytes};
use switchboard::sandbox::{Fault, FaultKind};
use time::format_description::well_known::Rfc3339;

use super::SyncedApp;

/// Rounds of changes, each followed by a run.
const ROUNDS: usize = 6;
/// Changes of a round, half of them while the run reads the directory.
const CHANGES: usize = 10;

/// Random choices.
struct Choices(SeededEntropy);

impl Choices {
    fn below(&self, end: usize) -> usize {
        let entropy: &dyn Entropy = &self.0;
        let number = u64::from_be_bytes(random_bytes(entropy));
        usize::try_from(number % u64::try_from(end.max(1)).unwrap_or(1)).unwrap_or_default()
    }

    fn of<'a>(&self, all: &'a [String]) -> anyhow::Result<&'a str> {
        Ok(all.get(self.below(all.len())).context("nothing to choose from")?)
    }
}

/// What can be changed.
struct Targets {
    users: Vec<String>,
    workspaces: Vec<String>,
    groups: Vec<String>,
}

/// Makes one change; the provider may refuse it.
async fn change(synced: &SyncedApp, targets: &Targets, choices: &Choices) -> anyhow::Result<()> {
    let user = choices.of(&targets.users)?;
    let workspace = choices.of(&targets.workspaces)?;
    let group = choices.of(&targets.groups)?;
    let api = &synced.api;
    let title = format!("Title {}", choices.below(1_000));
    let in_workspace = json!({"user_id": user, "team_id": workspace});
    let scim = |operation: Value| json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]});
    let _ = match choices.below(11) {
        0 => api.post("proxy/api/admin.users.setAdmin", &in_workspace).await?,
        1 => api.post("proxy/api/admin.users.setRegular", &in_workspace).await?,
        2 => api.post("proxy/api/admin.users.remove", &in_workspace).await?,
        3 => api.post("proxy/api/admin.users.assign", &in_workspace).await?,
        4 => {
            let body = scim(json!({"op": "replace", "path": "title", "value": title}));
            api.patch(&format!("proxy/scim/v2/Users/{user}"), &body).await?
        }
        5 => {
            let value = json!([{"value": user}]);
            let body = scim(json!({"op": "add", "path": "members", "value": value}));
            api.patch(&format!("proxy/scim/v2/Groups/{group}"), &body).await?
        }
        6 => {
            let path = format!("members[value eq \"{user}\"]");
            let body = scim(json!({"op": "remove", "path": path}));
            api.patch(&format!("proxy/scim/v2/Groups/{group}"), &body).await?
        }
        7 => api.patch(&format!("users/{user}"), &json!({"title": title})).await?,
        8 => {
            let role = json!({"user_id": user, "role_id": "ws:admin", "workspace_id": workspace});
            api.post("role-assignments", &role).await?
        }
        9 => {
            let body = json!({"add_member_ids": [user]});
            api.patch(&format!("groups/{group}"), &body).await?
        }
        _ => {
            let role = json!({"role_ids": "Rl01", "role_id": "Rl01", "entity_ids": [workspace],
                "user_ids": [user]});
            api.post("proxy/api/admin.roles.addAssignments", &role).await?
        }
    };
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn random_changes_reach_the_copy_and_the_events(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({"emit_initial": true})).await?;
    synced.synced().await?;
    let ids = |rows: BTreeMap<String, Value>| rows.into_keys().collect::<Vec<_>>();
    let targets = Targets {
        users: ids(synced.all("users?source=synced&user_type=member&limit=1000").await?),
        workspaces: ids(synced.all("workspaces?source=synced").await?),
        groups: ids(synced.all("groups?source=synced").await?),
    };
    let choices = Choices(SeededEntropy::new(7));
    let mut states = Vec::new();
    for round in 0..ROUNDS {
        for _ in 0..CHANGES / 2 {
            change(&synced, &targets, &choices).await?;
        }
        if round % 2 == 1 {
            let fault = Fault::for_next_calls("admin.users.list", FaultKind::ServerError, 1);
            synced.app.sandbox.add_fault(fault);
        }
        let run = synced.request().await?;
        let changes = async {
            for _ in 0..CHANGES / 2 {
                change(&synced, &targets, &choices).await?;
            }
            anyhow::Ok(())
        };
        tokio::try_join!(synced.work(), changes)?;
        assert_eq!(synced.read_run(&run).await?["status"], "succeeded");
        // What changed during the run, the next one finds.
        synced.synced().await?;
        synced.assert_equal().await?;
        synced.assert_replayed().await?;
        let at = synced.app.state.clock.now().format(&Rfc3339)?;
        synced.app.clock.advance(time::Duration::seconds(1));
        states.push((at, synced.all("users?source=synced&limit=1000").await?));
    }
    for (at, users) in states {
        let path = format!("users?source=synced&limit=1000&as_of={at}");
        assert_eq!(synced.all(&path).await?, users, "{at}");
    }
    Ok(())
}
