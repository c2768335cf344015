//! `switchboard plan`: makes a plan from a file and prints it.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use http::Method;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::text::print_plan;
use super::view::{Envelope, PlanView, read, read_json};
use crate::cli::gateway_client::{GatewayArguments, GatewayClient, GatewayRequest};
use crate::cli::output::{note, print_line};
use crate::cli::signals::shutdown_signal;
use crate::domain::ids::{IntegratedAccountId, RuleSetId};
use crate::domain::reconciliation::{MatchBy, OwnershipMode, ReconciliationStatus};

/// The interval of requests for the state.
const POLL_INTERVAL: Duration = Duration::from_millis(300);
/// Maximum length of the name of a desired state, in characters.
const MAX_NAME_CHARS: usize = 200;
/// The exit code of a plan that changes something.
const CHANGES: u8 = 2;

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FileFormat {
    /// Comma-separated values with a header row
    Csv,
    /// A JSON object of a person in each line
    Ndjson,
    /// One JSON object with `users`
    Json,
}

/// The arguments of `plan`.
#[derive(Debug, Args)]
pub(in crate::cli) struct PlanArguments {
    #[command(flatten)]
    gateway: GatewayArguments,
    /// File with the desired state; - for standard input
    #[arg(value_name = "FILE", required_unless_present = "rule_set")]
    file: Option<PathBuf>,
    /// Plan what a rule set grants to all users, instead of a file
    #[arg(long, value_name = "RULE_SET", conflicts_with = "file")]
    rule_set: Option<RuleSetId>,
    /// Account id, acc_…
    #[arg(long, value_name = "ACCOUNT")]
    account: IntegratedAccountId,
    /// Format of the file: csv, ndjson or json (default: by the end of its name)
    #[arg(long, value_enum, hide_possible_values = true)]
    format: Option<FileFormat>,
    /// Field by which people are matched
    #[arg(
        long,
        value_name = "FIELD",
        help = "Field by which people are matched: email, external_id, employee_number or username"
    )]
    match_by: Option<MatchBy>,
    /// Mode of the workspaces, roles and groups that the file names: additive or authoritative
    #[arg(long, value_name = "MODE")]
    mode: Option<OwnershipMode>,
    /// Modes of single workspaces, roles and groups, as JSON
    #[arg(long, value_name = "JSON")]
    scope: Option<String>,
    /// What the plan must not do, as JSON
    #[arg(long, value_name = "JSON")]
    guards: Option<String>,
    /// Deactivate people who are not in the file
    #[arg(long)]
    prune: bool,
    /// Leave out rows that can't be read
    #[arg(long)]
    skip_bad_rows: bool,
    /// After how many failed steps applying stops
    #[arg(long, value_name = "COUNT")]
    max_errors: Option<u32>,
    /// Print the plan as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(in crate::cli) async fn run(arguments: PlanArguments) -> anyhow::Result<ExitCode> {
    let client = arguments.gateway.client()?;
    let stop = shutdown_signal()?;
    let requested = request(&client, &arguments).await?;
    let plan = follow(&client, &requested.id, &stop).await?;
    for error in &plan.row_errors {
        let column = error.column.as_deref().map(|column| format!(", {column}"));
        note(format_args!("row {}{}: {}", error.row, column.unwrap_or_default(), error.message));
    }
    if plan.hash.is_none() {
        let detail = plan.problem.map(|problem| problem.detail).unwrap_or_default();
        bail!("no plan was made ({}): {detail}", plan.status);
    }
    if arguments.json {
        print_line(read_json(&client, &plan.id).await?)?;
    } else {
        let path = format!("/reconciliations/{}", plan.id);
        let text = client.request(GatewayRequest { accept: Some("text/plain"), ..get(&path) });
        print_plan(&String::from_utf8_lossy(&text.await?))?;
        describe(&plan);
    }
    let has_changes = plan.summary.changes() > 0;
    Ok(if has_changes { ExitCode::from(CHANGES) } else { ExitCode::SUCCESS })
}

fn get(path: &str) -> GatewayRequest<'_> {
    GatewayRequest { method: Method::GET, path, ..GatewayRequest::default() }
}

/// Prints how to apply the plan.
fn describe(plan: &PlanView) {
    let PlanView { id, hash, summary, removals, .. } = plan;
    if summary.changes() == 0 && summary.skip > 0 {
        let skipped = summary.skip;
        return note(format_args!("Nothing to apply: {skipped} steps are skipped, with reasons."));
    }
    if summary.changes() == 0 {
        return note("The directory is as desired.");
    }
    let mut command = format!("switchboard apply {id}");
    if let Some(hash) = hash {
        command = format!("{command} --hash {hash}");
    }
    if let Some(over) = removals.and_then(|limit| limit.override_removals) {
        let allowed = removals.map_or(0, |limit| limit.allowed);
        note(format_args!(
            "It takes access {over} times, more than the {allowed} that its guards allow."
        ));
        command = format!("{command} --override-removals {over}");
    }
    note(format_args!("Apply it with: {command}"));
}

/// Requests the plan.
async fn request(client: &GatewayClient, arguments: &PlanArguments) -> anyhow::Result<PlanView> {
    let mut options = options(arguments)?;
    let account = arguments.account.text();
    let (content_type, query, body) = match &arguments.file {
        None => {
            options.insert("rule_set_id".to_owned(), json!(arguments.rule_set));
            options.insert("integrated_account_id".to_owned(), account.into());
            ("application/json", Vec::new(), Value::Object(options).to_string().into_bytes())
        }
        Some(file) => {
            let bytes = read_file(file)?;
            match format_of(file, arguments.format)? {
                FileFormat::Json => {
                    let desired: Value =
                        serde_json::from_slice(&bytes).context("the file is not JSON")?;
                    options.insert("desired".to_owned(), desired);
                    options.insert("integrated_account_id".to_owned(), account.into());
                    let body = Value::Object(options).to_string().into_bytes();
                    ("application/json", Vec::new(), body)
                }
                FileFormat::Csv => ("text/csv", query_of(options, account), bytes),
                FileFormat::Ndjson => ("application/x-ndjson", query_of(options, account), bytes),
            }
        }
    };
    let query: Vec<(&str, &str)> =
        query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let sent = client.request(GatewayRequest {
        method: Method::POST,
        path: "/reconciliations",
        query: &query,
        content_type: Some(content_type),
        body: Bytes::from(body),
        ..GatewayRequest::default()
    });
    let created: Envelope<PlanView> = serde_json::from_slice(&sent.await?)?;
    Ok(created.result)
}

/// Returns the options that the arguments name.
fn options(arguments: &PlanArguments) -> anyhow::Result<Map<String, Value>> {
    let parsed = |text: &Option<String>, name: &str| -> anyhow::Result<Option<Value>> {
        let text = text.as_deref();
        text.map(serde_json::from_str).transpose().with_context(|| format!("{name} is not JSON"))
    };
    let options = [
        ("name", arguments.file.as_deref().and_then(name_of).map(Value::String)),
        ("match_by", arguments.match_by.map(|field| json!(field))),
        ("mode", arguments.mode.map(|mode| json!(mode))),
        ("scope", parsed(&arguments.scope, "--scope")?),
        ("guards", parsed(&arguments.guards, "--guards")?),
        ("prune", arguments.prune.then_some(json!(true))),
        ("skip_bad_rows", arguments.skip_bad_rows.then_some(json!(true))),
        ("max_errors", arguments.max_errors.map(|count| json!(count))),
    ];
    let named = options.into_iter();
    Ok(named.filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
}

/// Returns options as query parameters.
fn query_of(options: Map<String, Value>, account: String) -> Vec<(String, String)> {
    let text = |value: Value| match value {
        Value::String(text) => text,
        other @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::Array(_)
        | Value::Object(_)) => other.to_string(),
    };
    let mut query = vec![("integrated_account_id".to_owned(), account)];
    query.extend(options.into_iter().map(|(name, value)| (name, text(value))));
    query
}

/// Returns what the desired state of a file is called; `None` for standard input.
fn name_of(file: &Path) -> Option<String> {
    let name = file.file_name()?.to_str().filter(|name| *name != "-")?;
    Some(name.chars().take(MAX_NAME_CHARS).collect())
}

fn read_file(file: &Path) -> anyhow::Result<Vec<u8>> {
    if file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).context("standard input")?;
        return Ok(bytes);
    }
    std::fs::read(file).with_context(|| format!("{} is not readable", file.display()))
}

fn format_of(file: &Path, named: Option<FileFormat>) -> anyhow::Result<FileFormat> {
    let end = file.extension().and_then(|end| end.to_str()).map(str::to_ascii_lowercase);
    let by_name = match end.as_deref() {
        Some("csv") => Some(FileFormat::Csv),
        Some("ndjson" | "jsonl") => Some(FileFormat::Ndjson),
        Some("json") => Some(FileFormat::Json),
        Some(_) | None => None,
    };
    named
        .or(by_name)
        .context("add --format csv, ndjson or json: the name of the file has none of them")
}

/// Waits until the plan is made.
async fn follow(
    client: &GatewayClient,
    id: &str,
    stop: &CancellationToken,
) -> anyhow::Result<PlanView> {
    loop {
        let view = read(client, id).await?;
        if view.status != ReconciliationStatus::Planning {
            return Ok(view);
        }
        tokio::select! {
            () = tokio::time::sleep(POLL_INTERVAL) => {}
            () = stop.cancelled() => {
                ensure!(!stop.is_cancelled(), "stopped; the plan {id} is still being made");
            }
        }
    }
}
