//! End-to-end tests: the real binary, its output, its signals, its leftovers.
//!
//! Every test has a [`test_dir::TestDir`] of its own, every port is chosen by the system, and only processes that the
//! test itself started are ended.

mod admin;
mod clients;
mod commands;
mod concurrency;
mod cpu_affinity;
mod crash;
mod curl_lines;
mod demo;
mod doctor;
mod events;
mod fleet;
mod guides;
mod http_client;
mod leaks;
mod logs;
mod processes;
mod program;
mod readme;
mod reconcile;
mod secrets;
mod serve;
mod slack_sdk;
mod start_stop;
mod test_dir;
mod webhooks;

use std::io::Write as _;
use std::time::Duration;

/// Interval of checks on another process.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Timeout of a start, on a busy machine.
const START_TIMEOUT: Duration = Duration::from_mins(1);
/// Timeout of a shutdown, from the signal on.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// Prints a note for the developer; the harness does not capture it.
fn note(text: std::fmt::Arguments<'_>) -> anyhow::Result<()> {
    writeln!(std::io::stderr(), "process: {text}")?;
    Ok(())
}
