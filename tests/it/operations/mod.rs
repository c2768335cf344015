//! Files shipped beside the program: the image, Compose, Kubernetes, scripts and their pages. They are parsed as
//! their tools parse them and checked against the program: settings, ports, routes, times.

mod compose;
mod image;
mod kubernetes;
mod monitoring;
mod pages;
mod roles;
mod scripts;
mod security;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;
use switchboard::config::Config;

/// Returns the path of a file of the repository.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn text(name: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(path(name)).with_context(|| name.to_owned())
}

/// Parses a YAML file as JSON.
fn yaml(name: &str) -> anyhow::Result<Value> {
    serde_saphyr::from_str(&text(name)?).with_context(|| name.to_owned())
}

/// Returns the entries of an object as text.
fn entries(value: &Value) -> anyhow::Result<Vec<(String, String)>> {
    let pairs = value.as_object().context("no object")?;
    let text = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
    Ok(pairs.iter().map(|(name, value)| (name.clone(), text(value))).collect())
}

fn at<'a>(value: &'a Value, pointer: &str) -> anyhow::Result<&'a Value> {
    value.pointer(pointer).with_context(|| format!("{pointer} is missing in {value}"))
}

fn number(value: &Value, pointer: &str) -> anyhow::Result<u64> {
    at(value, pointer)?.as_u64().with_context(|| format!("{pointer} is no number"))
}

/// Loads the settings that these variables make. Invalid ones are an error, except missing secrets.
fn settings(variables: &[(String, String)], needs_keys: bool) -> anyhow::Result<Config> {
    let pairs = variables.iter().map(|(name, value)| (OsString::from(name), value.into()));
    let config = Config::assemble(None, pairs)?;
    for (name, _) in variables {
        anyhow::ensure!(name.starts_with("SWITCHBOARD__"), "{name} is no setting of ours");
    }
    let is_absent_secret = |mistake: &String| {
        mistake.contains("_file: /run/secrets/")
            || (!needs_keys && mistake.starts_with("vault.keys: is empty"))
    };
    let wrong: Vec<_> = config
        .validation_errors()
        .into_iter()
        .filter(|mistake| !is_absent_secret(mistake))
        .collect();
    anyhow::ensure!(wrong.is_empty(), "{wrong:#?}");
    Ok(config)
}

/// Returns the port of an address such as 0.0.0.0:8080.
fn port(address: &str) -> anyhow::Result<u64> {
    Ok(address.rsplit_once(':').context("no port")?.1.parse()?)
}

/// Returns the maximum time of a shutdown: requests, background work and connections.
fn shutdown_timeout_s(config: &Config) -> u64 {
    2 * config.server.shutdown_timeout_s + 2
}

/// Checks that a command begins with one of the program's.
fn is_command(words: &[&str]) -> anyhow::Result<()> {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_switchboard"));
    let ran = command.args(words).arg("--help").output()?;
    anyhow::ensure!(ran.status.success(), "{words:?}: {}", String::from_utf8_lossy(&ran.stderr));
    Ok(())
}
