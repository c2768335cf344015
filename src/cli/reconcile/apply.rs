//! `switchboard apply`: applies a plan and follows it.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use http::Method;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::progress::Progress;
use super::text::outcomes;
use super::view::{Envelope, PlanView, read, read_json, steps_with};
use crate::cli::gateway_client::{GatewayArguments, GatewayClient};
use crate::cli::output::{note, print_line};
use crate::cli::signals::shutdown_signal;
use crate::domain::ids::ReconciliationId;
use crate::domain::reconciliation::ReconciliationStatus;

/// The interval of requests for the state.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// How many steps of an outcome are listed.
const LISTED: &str = "20";

/// The arguments of `apply`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ApplyArguments {
    #[command(flatten)]
    gateway: GatewayArguments,
    /// Id of the plan, rec_…
    #[arg(value_name = "PLAN")]
    plan: ReconciliationId,
    /// Hash of the plan that was reviewed (default: that of the plan as it is)
    #[arg(long, value_name = "HASH")]
    hash: Option<String>,
    /// Exact number of removals of a plan that removes more than its guards allow
    #[arg(long, value_name = "COUNT")]
    override_removals: Option<u64>,
    /// Apply without a question
    #[arg(long)]
    yes: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(in crate::cli) async fn run(arguments: ApplyArguments) -> anyhow::Result<ExitCode> {
    let client = arguments.gateway.client()?;
    let stop = shutdown_signal()?;
    let id = arguments.plan.text();
    let plan = read(&client, &id).await?;
    let hash = arguments.hash.clone().or_else(|| plan.hash.clone());
    let hash = hash.with_context(|| format!("the status is {}: there is no plan", plan.status))?;
    if !arguments.yes && !confirm(&plan)? {
        bail!("not applied");
    }
    let mut body = json!({ "hash": hash });
    if let (Some(count), Some(fields)) = (arguments.override_removals, body.as_object_mut()) {
        fields.insert("override_removals".to_owned(), count.into());
    }
    let path = format!("/reconciliations/{id}/apply");
    let _: Envelope<PlanView> = client.fetch(Method::POST, &path, &[], Some(&body)).await?;
    let ended = follow(&client, &id, &stop).await?;
    if arguments.json {
        print_line(read_json(&client, &id).await?)?;
    } else {
        print_line(outcomes(&ended))?;
        list_steps(&client, &ended).await?;
    }
    if ended.status == ReconciliationStatus::Applied {
        return Ok(ExitCode::SUCCESS);
    }
    let detail = ended.problem.map(|problem| format!(": {}", problem.detail));
    bail!("the status is {}{}", ended.status, detail.unwrap_or_default())
}

/// Asks whether the plan is to be applied.
fn confirm(plan: &PlanView) -> anyhow::Result<bool> {
    let summary = plan.summary;
    ensure!(std::io::stdin().is_terminal(), "add --yes to apply without a question");
    let mut out = std::io::stderr().lock();
    write!(
        out,
        "{} to create, {} to update, {} to deactivate, {} to add, {} to remove. Apply? Enter yes: ",
        summary.create, summary.update, summary.deactivate, summary.add, summary.remove
    )?;
    out.flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(line.trim() == "yes")
}

/// Shows the progress until the application ends.
async fn follow(
    client: &GatewayClient,
    id: &str,
    stop: &CancellationToken,
) -> anyhow::Result<PlanView> {
    let mut progress = Progress::new()?;
    loop {
        let view = read(client, id).await?;
        if view.status != ReconciliationStatus::Applying {
            progress.finish();
            return Ok(view);
        }
        progress.show(&view);
        tokio::select! {
            () = tokio::time::sleep(POLL_INTERVAL) => {}
            () = stop.cancelled() => bail!(
                "stopped following the plan; it is still applied. POST /reconciliations/{id}/cancel cancels it"
            ),
        }
    }
}

/// Prints the steps that failed or met a conflict.
async fn list_steps(client: &GatewayClient, ended: &PlanView) -> anyhow::Result<()> {
    for (outcome, count) in [("failed", ended.counts.failed), ("conflict", ended.counts.conflict)] {
        if count == 0 {
            continue;
        }
        for step in steps_with(client, &ended.id, (outcome, LISTED)).await? {
            let detail = step.detail.unwrap_or_default();
            note(format_args!("{outcome}: step {}, {}: {detail}", step.n, step.subject.key));
        }
    }
    Ok(())
}
