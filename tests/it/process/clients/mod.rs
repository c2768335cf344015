//! Clients that others wrote, unmodified, and the sandbox they are sent to.

mod documentation;
mod kept;
mod link_browser;
mod node;
mod python;
mod sandbox;
mod scim_checker;
mod slack_node;
mod slack_python;
mod through_proxy;
mod unified;

use std::process::{Command, Output};

use anyhow::Context as _;
use serde_json::Value;

pub(super) use python::slack_sdk;

/// Something that a test needs, or a line that says why it can't be had here.
pub(super) type Perhaps<T> = Result<T, String>;

/// Runs a command to its end; the first line about an error when it failed.
fn succeed(command: &mut Command) -> Perhaps<Output> {
    let ran = command.output().map_err(|error| error.to_string())?;
    if ran.status.success() {
        return Ok(ran);
    }
    let said = String::from_utf8_lossy(&ran.stderr);
    let tells = |line: &&str| line.to_ascii_lowercase().contains("error");
    let line = said.lines().find(tells).or_else(|| said.trim().lines().last());
    Err(line.unwrap_or("nothing said").to_owned())
}

/// Runs a tour, which prints what it has seen as one JSON value.
fn tour(command: &mut Command) -> anyhow::Result<Value> {
    let ran = command.env("NO_PROXY", "127.0.0.1").output()?;
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}{}", String::from_utf8_lossy(&ran.stdout));
    serde_json::from_slice(&ran.stdout).with_context(|| format!("the tour prints JSON: {said}"))
}
