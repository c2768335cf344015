//! A model test: random changes by all ways, failures and crashes; then the copy equals the directory, the events lead from nothing to the
//! copy, and the past is as it was.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::app;
use switchboard::domain::entropy::{Entropy, SeededEntropy, random_bytes};
use switchboard::jobs::JobWorker;
use switchboard::sandbox::{Fault, FaultKind};
use time::format_description::well_known::Rfc3339;

use super::SyncedApp;
use super::comparison::Expansions;

/// Rounds of changes, each followed by a run.
const ROUNDS: usize = 6;
/// Changes of a round, half of them while the run reads the directory.
const CHANGES: usize = 10;
/// Lists of Slack that a run reads and changes do not.
const LISTS: [&str; 4] =
    ["admin.teams.list", "scim.users.list", "admin.users.list", "scim.groups.list"];
/// Seconds until a stalled response: longer than any test.
const STALLED_S: f64 = 3_600.0;
/// Pause between two looks at the provider's faults.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Random choices.
pub(crate) struct Choices(SeededEntropy);

impl Choices {
    /// Returns the choices of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(SeededEntropy::new(seed))
    }

    /// Returns a number below `end`.
    pub(crate) fn below(&self, end: usize) -> usize {
        let entropy: &dyn Entropy = &self.0;
        let number = u64::from_be_bytes(random_bytes(entropy));
        usize::try_from(number % u64::try_from(end.max(1)).unwrap_or(1)).unwrap_or_default()
    }

    /// Returns one of these.
    pub(crate) fn of<'a>(&self, all: &'a [String]) -> anyhow::Result<&'a str> {
        Ok(all.get(self.below(all.len())).context("nothing to choose from")?)
    }
}

/// A directory that can be changed at random, with and without the gateway.
pub(crate) trait RandomDirectory {
    /// The expansions with which lists of workspaces and of users have all that the copy has.
    const EXPANSIONS: Expansions;

    /// Makes one change; the provider may refuse it.
    async fn change(&self, synced: &SyncedApp, choices: &Choices) -> anyhow::Result<()>;

    /// Makes the next list of users fail once.
    fn fail_once(&self, synced: &SyncedApp);

    /// Makes one of the lists that a run reads never arrive, once. The result returns when it was requested.
    async fn stall_once(
        &self,
        synced: &SyncedApp,
        choices: &Choices,
    ) -> anyhow::Result<impl Future<Output = ()>>;
}

/// What happens to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Incident {
    /// Nothing.
    None,
    /// A list fails once.
    FailedList,
    /// The process of its worker ends while it waits for a list.
    Crash,
}

impl Incident {
    fn of(choices: &Choices) -> Self {
        match choices.below(3) {
            0 => Self::None,
            1 => Self::FailedList,
            _ => Self::Crash,
        }
    }
}

/// Slack's directory.
pub(crate) struct SlackDirectory {
    /// The ids of the full members.
    pub(crate) users: Vec<String>,
    /// The ids of the workspaces.
    pub(crate) workspaces: Vec<String>,
    /// The ids of the groups.
    pub(crate) groups: Vec<String>,
}

impl SlackDirectory {
    /// Returns the directory of a synced account.
    pub(crate) async fn of(synced: &SyncedApp) -> anyhow::Result<Self> {
        let ids = |rows: BTreeMap<String, Value>| rows.into_keys().collect::<Vec<_>>();
        Ok(Self {
            users: ids(synced.all("users?source=synced&user_type=member&limit=1000").await?),
            workspaces: ids(synced.all("workspaces?source=synced").await?),
            groups: ids(synced.all("groups?source=synced").await?),
        })
    }
}

impl RandomDirectory for SlackDirectory {
    const EXPANSIONS: Expansions = Expansions::SLACK;

    async fn change(&self, synced: &SyncedApp, choices: &Choices) -> anyhow::Result<()> {
        let user = choices.of(&self.users)?;
        let workspace = choices.of(&self.workspaces)?;
        let group = choices.of(&self.groups)?;
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
                let role =
                    json!({"user_id": user, "role_id": "ws:admin", "workspace_id": workspace});
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

    fn fail_once(&self, synced: &SyncedApp) {
        let fault = Fault::for_next_calls("admin.users.list", FaultKind::ServerError, 1);
        synced.app.sandbox.add_fault(fault);
    }

    async fn stall_once(
        &self,
        synced: &SyncedApp,
        choices: &Choices,
    ) -> anyhow::Result<impl Future<Output = ()>> {
        let method = LISTS.get(choices.below(LISTS.len())).context("no list")?;
        let latency = Fault::for_next_calls(method, FaultKind::Latency, 1);
        let sandbox = synced.app.sandbox.clone();
        let id = sandbox.add_fault(Fault { seconds: Some(STALLED_S), ..latency });
        Ok(async move {
            while sandbox.faults().iter().any(|fault| fault.id == id) {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        })
    }
}

/// Works on all jobs that are due, until the process of the worker ends: it writes nothing more, and its lease expires.
/// Then a worker of another gateway continues.
async fn work_with_a_crash(
    synced: &SyncedApp,
    successor: &JobWorker,
    crash: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    tokio::select! {
        worked = synced.work() => {
            worked?;
            anyhow::bail!("the run ended before the crash");
        }
        () = crash => {}
    }
    let expired = "UPDATE jobs SET lease_until = clock_timestamp() - interval '1 second'
        WHERE status = 'running' AND lease_until IS NOT NULL";
    let jobs = sqlx::query(expired).execute(&synced.app.pool).await?;
    anyhow::ensure!(jobs.rows_affected() == 1, "no job was running");
    synced.work_by(successor).await
}

/// Changes the directory in rounds, with runs between and during the changes, and checks the copy, the events and the
/// past. The account was synced once, with events about what that run found.
pub(crate) async fn change_at_random<D: RandomDirectory>(
    synced: &SyncedApp,
    directory: &D,
) -> anyhow::Result<()> {
    let choices = Choices::new(7);
    let (_, other) = synced.app.second_gateway(&synced.app.config).await?;
    let lease = synced.app.config.sync.lease();
    let successor = app::job_worker(&other.policies, "successor".to_owned(), lease);
    let (mut states, mut crashes) = (Vec::new(), 0);
    for _ in 0..ROUNDS {
        for _ in 0..CHANGES / 2 {
            directory.change(synced, &choices).await?;
        }
        let run = synced.request().await?;
        let work = async {
            match Incident::of(&choices) {
                Incident::None => synced.work().await,
                Incident::FailedList => {
                    directory.fail_once(synced);
                    synced.work().await
                }
                Incident::Crash => {
                    crashes += 1;
                    let crash = directory.stall_once(synced, &choices).await?;
                    work_with_a_crash(synced, &successor, crash).await
                }
            }
        };
        let changes = async {
            for _ in 0..CHANGES / 2 {
                directory.change(synced, &choices).await?;
            }
            anyhow::Ok(())
        };
        tokio::try_join!(work, changes)?;
        assert_eq!(synced.read_run(&run).await?["status"], "succeeded");
        // What changed during the run, the next one finds.
        synced.synced().await?;
        synced.assert_equal_with(&D::EXPANSIONS).await?;
        synced.assert_replayed().await?;
        synced.assert_sizes().await?;
        let at = synced.app.state.clock.now().format(&Rfc3339)?;
        synced.app.clock.advance(time::Duration::seconds(1));
        states.push((at, synced.all("users?source=synced&limit=1000").await?));
    }
    anyhow::ensure!(crashes > 1, "{crashes} runs were interrupted by a crash");
    for (at, users) in states {
        let path = format!("users?source=synced&limit=1000&as_of={at}");
        assert_eq!(synced.all(&path).await?, users, "{at}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn random_changes_reach_the_copy_and_the_events(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({"emit_initial": true})).await?;
    synced.synced().await?;
    let directory = SlackDirectory::of(&synced).await?;
    change_at_random(&synced, &directory).await
}
