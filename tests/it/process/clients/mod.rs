//! Unmodified third-party clients against the sandbox and the gateway.

mod cached;
mod console_browser;
mod docs_browser;
mod documentation;
mod link_browser;
mod node;
mod openapi_tools;
mod python;
mod sandbox;
mod scim_checker;
mod scim_servers;
mod slack_node;
mod slack_python;
mod through_proxy;
mod unified;
mod webhook_verifier;

use std::process::{Command, Output};

use anyhow::Context as _;
use serde_json::Value;

pub(super) use python::slack_sdk;

/// A requirement of a test, or the reason why it is unavailable.
pub(super) type Requirement<T> = Result<T, String>;

/// Runs a command to its end; returns the first line about an error if it failed.
fn succeed(command: &mut Command) -> Requirement<Output> {
    let ran = command.output().map_err(|error| error.to_string())?;
    if ran.status.success() {
        return Ok(ran);
    }
    let message = String::from_utf8_lossy(&ran.stderr);
    let is_error = |line: &&str| line.to_ascii_lowercase().contains("error");
    let line = message.lines().find(is_error).or_else(|| message.trim().lines().last());
    Err(line.unwrap_or("no output").to_owned())
}

/// Runs a tour, which prints its results as one JSON value.
fn tour(command: &mut Command) -> anyhow::Result<Value> {
    let ran = command.env("NO_PROXY", "127.0.0.1").output()?;
    let message = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{message}{}", String::from_utf8_lossy(&ran.stdout));
    serde_json::from_slice(&ran.stdout).with_context(|| format!("the tour prints JSON: {message}"))
}
