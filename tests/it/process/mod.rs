//! The program as a stranger runs it: the real binary, its output, its signals, its traces.
//!
//! Every test has a [`home::Home`] of its own, every port is the system's choice, and nothing is
//! ended but what the test itself has started.

mod admin;
mod clients;
mod commands;
mod crash;
mod curl_lines;
mod demo;
mod doctor;
mod fleet;
mod guides;
mod home;
mod leaks;
mod logs;
mod parallel;
mod processes;
mod processors;
mod program;
mod readme;
mod secrets;
mod serve;
mod slack_sdk;
mod start_stop;
mod talk;

use std::io::Write as _;
use std::time::Duration;

/// How often another process is looked at.
const GLANCE: Duration = Duration::from_millis(20);
/// A whole start, on a machine that has much else to do.
const START: Duration = Duration::from_mins(1);
/// What the end of everything may take from the signal on.
const STOP: Duration = Duration::from_secs(15);

/// Tells whoever runs the tests; the harness does not hold it back.
fn note(text: std::fmt::Arguments<'_>) -> anyhow::Result<()> {
    writeln!(std::io::stderr(), "process: {text}")?;
    Ok(())
}
