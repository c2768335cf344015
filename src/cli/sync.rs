//! `switchboard sync`: requests a run of the directory sync and follows it. Works beside running
//! gateways.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::context::{ACTOR, with_database};
use super::output::{note, print_line};
use super::signals::shutdown_signal;
use crate::config::Config;
use crate::domain::account::{AccountStatus, IntegratedAccount};
use crate::domain::clock::{Clock as _, SystemClock};
use crate::domain::entropy::SystemEntropy;
use crate::domain::ids::{IntegratedAccountId, JobId, SyncRunId};
use crate::domain::sync::{SyncOverrides, SyncResource, SyncSettings, SyncStatus};
use crate::domain::sync_run::{SyncProblem, SyncRun};
use crate::store::{AuditEntry, NewSyncRun, Store, TenantDb};

/// The interval of requests for the state of the run.
const POLL_INTERVAL: Duration = Duration::from_millis(300);
/// How long a run is queued before a hint is printed.
const QUEUED_TOO_LONG: Duration = Duration::from_secs(5);
/// The hint for a run that no worker begins.
const NO_WORKER: &str = "The run is still queued: no worker seems to run, or all are busy. \
    `switchboard serve` and `switchboard worker` run them.";

/// The arguments of `sync`.
#[derive(Debug, Args)]
pub(super) struct SyncArguments {
    /// Account id, acc_…
    #[arg(value_name = "ACCOUNT")]
    account: IntegratedAccountId,
    /// Resources to read, separated by commas (default: all those of the account's settings)
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    resources: Vec<SyncResource>,
    /// Enable the sync of the account first, if it is not enabled
    #[arg(long)]
    enable: bool,
}

/// Runs the command.
pub(super) async fn run(config: &Config, arguments: &SyncArguments) -> anyhow::Result<()> {
    with_database(config, async |_, store| execute(store, arguments).await).await
}

async fn execute(store: &Store, arguments: &SyncArguments) -> anyhow::Result<()> {
    let (db, account) = find(store, arguments.account).await?;
    ensure!(
        account.status == AccountStatus::Active,
        "the status of the account is {}: only an active one can be read",
        account.status
    );
    let settings = enabled_settings(&db, account.id, arguments.enable).await?;
    let resources = selected_resources(&arguments.resources, &settings)?;
    let stop = shutdown_signal()?;
    let id = match request(&db, account.id, &resources, ACTOR).await? {
        Ok(id) => id,
        Err(running) => {
            note(format!("The run {running} of this account is in progress; following it."));
            running
        }
    };
    let run = follow(&db, id, &stop).await?;
    print_line(summary(&run))?;
    let status = run.status;
    match run.problem {
        _ if status == SyncStatus::Succeeded => Ok(()),
        Some(problem) => bail!("the run ended with status {status}: {}", problem.detail),
        None => bail!("the run ended with status {status}"),
    }
}

/// Returns the account and its environment.
async fn find(
    store: &Store,
    id: IntegratedAccountId,
) -> anyhow::Result<(TenantDb, IntegratedAccount)> {
    for environment in store.environments().await? {
        let db = store.tenant(environment.id);
        if let Some(account) = db.account(id).await? {
            return Ok((db, account));
        }
    }
    bail!("no account {id} in any environment")
}

/// Returns the settings of the account; if its sync is not enabled, enables it or fails.
async fn enabled_settings(
    db: &TenantDb,
    id: IntegratedAccountId,
    enable: bool,
) -> anyhow::Result<SyncSettings> {
    let settings = db.sync_settings(id).await?.unwrap_or_default();
    ensure!(
        settings.enabled || enable,
        "the sync of this account is not enabled: add --enable, or send \
         PATCH /integrated-accounts/{id} {{\"sync\": {{\"enabled\": true}}}}"
    );
    if !settings.enabled {
        enable_sync(db, id, ACTOR).await?;
    }
    Ok(settings)
}

/// Returns the resources of the run: each must be among those of the settings.
fn selected_resources(
    requested: &[SyncResource],
    settings: &SyncSettings,
) -> anyhow::Result<Vec<SyncResource>> {
    if requested.is_empty() {
        return Ok(settings.resources.iter().copied().collect());
    }
    if let Some(other) = requested.iter().find(|one| !settings.resources.contains(*one)) {
        let synced: Vec<&str> =
            settings.resources.iter().copied().map(SyncResource::name).collect();
        bail!("{other} is not among the account's synced resources: {}", synced.join(", "));
    }
    let unique: BTreeSet<SyncResource> = requested.iter().copied().collect();
    Ok(unique.into_iter().collect())
}

/// Enables the sync of an account.
pub(super) async fn enable_sync(
    db: &TenantDb,
    account_id: IntegratedAccountId,
    actor: &str,
) -> anyhow::Result<()> {
    let patch = SyncOverrides { enabled: Some(true), ..SyncOverrides::default() };
    let action = "integrated_account.sync_changed";
    let entry = AuditEntry {
        account_id: Some(account_id),
        ..AuditEntry::new(action, actor, &SystemClock, &SystemEntropy)
    };
    db.update_account_sync(account_id, &patch, SystemClock.now(), &entry).await?;
    Ok(())
}

/// Requests a run and returns its id; `Err` with that of the run in progress, if there is one.
pub(super) async fn request(
    db: &TenantDb,
    account_id: IntegratedAccountId,
    resources: &[SyncResource],
    actor: &str,
) -> anyhow::Result<Result<SyncRunId, SyncRunId>> {
    let (clock, entropy) = (&SystemClock, &SystemEntropy);
    let run = NewSyncRun {
        id: SyncRunId::generate(clock, entropy),
        job_id: JobId::generate(clock, entropy),
        account_id,
        resources,
        started_by: actor,
    };
    let subject = run.id.text();
    let entry = AuditEntry {
        account_id: Some(account_id),
        subject: Some(&subject),
        ..AuditEntry::new("sync.requested", actor, clock, entropy)
    };
    let requested = db.request_sync(&run, clock.now(), Some(&entry)).await?;
    Ok(requested.map(|()| run.id))
}

/// Shows the progress of a run until it ends, and returns it.
async fn follow(db: &TenantDb, id: SyncRunId, stop: &CancellationToken) -> anyhow::Result<SyncRun> {
    let mut bars = ProgressBars::new()?;
    let (begun, mut is_hint_printed) = (Instant::now(), false);
    loop {
        let run = db.sync_run(id).await?.with_context(|| format!("the run {id} was deleted"))?;
        if !matches!(run.status, SyncStatus::Queued | SyncStatus::Running) {
            return Ok(run);
        }
        bars.show(&run);
        let is_late = run.status == SyncStatus::Queued && begun.elapsed() >= QUEUED_TOO_LONG;
        if is_late && !is_hint_printed {
            bars.note(NO_WORKER);
            is_hint_printed = true;
        }
        tokio::select! {
            () = tokio::time::sleep(POLL_INTERVAL) => {}
            () = stop.cancelled() => bail!(
                "stopped following the run; it continues, and GET /syncs/{id} returns its state"
            ),
        }
    }
}

/// A progress bar for each resource of a run; hidden if standard error is not a terminal.
struct ProgressBars {
    all: MultiProgress,
    bars: BTreeMap<SyncResource, ProgressBar>,
    /// The style while the number of objects is known.
    bar: ProgressStyle,
    /// The style while it is not.
    spinner: ProgressStyle,
}

impl ProgressBars {
    fn new() -> anyhow::Result<Self> {
        let bar = ProgressStyle::with_template("{prefix:16} [{bar:30}] {pos}/{len}")?;
        let spinner = ProgressStyle::with_template("{prefix:16} {spinner} {pos}")?;
        Ok(Self {
            all: MultiProgress::new(),
            bars: BTreeMap::new(),
            bar: bar.progress_chars("=> "),
            spinner: spinner.tick_chars(r"|/-\ "),
        })
    }

    fn show(&mut self, run: &SyncRun) {
        for progress in &run.progress {
            let bar = self.bars.entry(progress.resource).or_insert_with(|| {
                let bar = ProgressBar::no_length().with_style(self.spinner.clone());
                self.all.add(bar.with_prefix(progress.resource.name()))
            });
            if let Some(expected) = progress.expected.filter(|expected| *expected > 0) {
                if bar.length().is_none() {
                    bar.set_style(self.bar.clone());
                }
                bar.set_length(expected.max(progress.done));
            }
            bar.set_position(progress.done);
            bar.tick();
        }
    }

    /// Prints a line above the bars.
    fn note(&self, text: &str) {
        self.all.suspend(|| note(text));
    }
}

/// Returns the result of a run as lines.
fn summary(run: &SyncRun) -> String {
    let mut lines = vec![
        format!("run             {}", run.id),
        format!("status          {}", run.status),
        format!("provider calls  {}", run.provider_calls),
    ];
    if let Some(problem) = &run.problem {
        lines.push(format!("problem         {}", described(problem)));
    }
    lines.push(String::new());
    lines.push(row("kind", ["created", "updated", "removed", "unchanged"]));
    for kind in run.resources.iter().copied().flat_map(SyncResource::kinds) {
        let counts = run.counts.get(kind).copied().unwrap_or_default();
        let numbers = [counts.created, counts.updated, counts.removed, counts.unchanged];
        lines.push(row(kind.name(), numbers));
    }
    lines.join("\n")
}

/// Returns the code of a problem, with the resource and the provider's method.
fn described(problem: &SyncProblem) -> String {
    let places = [problem.resource.map(SyncResource::name), problem.method.as_deref()];
    let places: Vec<&str> = places.into_iter().flatten().collect();
    if places.is_empty() {
        return problem.code.clone();
    }
    format!("{} ({})", problem.code, places.join(", "))
}

fn row<T: Display>(kind: &str, [created, updated, removed, unchanged]: [T; 4]) -> String {
    format!("{kind:<16}{created:>10}{updated:>10}{removed:>10}{unchanged:>11}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::sync::CopyKind;
    use crate::domain::sync_run::ChangeCounts;

    fn run() -> SyncRun {
        let (clock, entropy) = (&SystemClock, &SystemEntropy);
        let counts = ChangeCounts { created: 3, updated: 1, removed: 0, unchanged: 196 };
        SyncRun {
            id: SyncRunId::generate(clock, entropy),
            integrated_account_id: IntegratedAccountId::generate(clock, entropy),
            job_id: JobId::generate(clock, entropy),
            status: SyncStatus::Partial,
            resources: vec![SyncResource::Users, SyncResource::RoleAssignments],
            started_by: ACTOR.to_owned(),
            progress: Vec::new(),
            provider_calls: 42,
            counts: BTreeMap::from([(CopyKind::User, counts)]),
            held_removals: BTreeMap::new(),
            eta_s: None,
            problem: Some(SyncProblem {
                code: "missing_scope".to_owned(),
                detail: "The token has no such scope.".to_owned(),
                resource: Some(SyncResource::RoleAssignments),
                method: Some("admin.roles.listAssignments".to_owned()),
            }),
            created_at: clock.now(),
            started_at: None,
            ended_at: None,
        }
    }

    #[test]
    fn the_summary_has_an_aligned_row_for_each_kind() {
        let text = summary(&run());
        let (head, table) = text.split_once("\n\n").unwrap();
        assert!(head.contains("status          partial"), "{head}");
        assert!(head.contains("missing_scope (role_assignments, admin.roles.listAssignments)"));
        let rows: Vec<Vec<&str>> =
            table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[0], ["kind", "created", "updated", "removed", "unchanged"]);
        assert_eq!(rows[1], ["user", "3", "1", "0", "196"]);
        assert_eq!(rows[2][0], "workspace_member");
        assert_eq!(rows[3], ["role_assignment", "0", "0", "0", "0"]);
        assert!(table.lines().all(|line| line.len() == 57), "{table}");
    }

    #[test]
    fn resources_must_be_among_those_of_the_settings() {
        let resources = BTreeSet::from([SyncResource::Workspaces, SyncResource::Users]);
        let settings = SyncSettings { resources, ..SyncSettings::default() };
        let both = [SyncResource::Workspaces, SyncResource::Users];
        assert_eq!(selected_resources(&[], &settings).unwrap(), both);
        let twice = [SyncResource::Users, SyncResource::Users];
        assert_eq!(selected_resources(&twice, &settings).unwrap(), [SyncResource::Users]);
        let error = selected_resources(&[SyncResource::Groups], &settings).unwrap_err();
        assert!(error.to_string().contains("workspaces, users"), "{error}");
    }
}
