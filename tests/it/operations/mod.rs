//! What is shipped beside the program: the image, Compose, Kubernetes, scripts, their pages. They are read as
//! their tools read them and held against the program: settings, ports, routes, times.

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

/// A file of the repository.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn text(name: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(path(name)).with_context(|| name.to_owned())
}

/// A file of YAML as JSON.
fn yaml(name: &str) -> anyhow::Result<Value> {
    serde_saphyr::from_str(&text(name)?).with_context(|| name.to_owned())
}

/// The entries of an object as text.
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

/// The settings that these variables make. What is wrong with them, aside from secrets that are not here, is
/// an error.
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
    let wrong: Vec<_> =
        config.mistakes().into_iter().filter(|mistake| !is_absent_secret(mistake)).collect();
    anyhow::ensure!(wrong.is_empty(), "{wrong:#?}");
    Ok(config)
}

/// The port in an address such as 0.0.0.0:8080.
fn port(address: &str) -> anyhow::Result<u64> {
    Ok(address.rsplit_once(':').context("no port")?.1.parse()?)
}

/// How long a gateway takes to stop at most: its requests, what they began, and its connections.
fn stops_within(config: &Config) -> u64 {
    2 * config.server.shutdown_timeout_s + 2
}

/// The first words of a command have to be one of the program's.
fn is_command(words: &[&str]) -> anyhow::Result<()> {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_switchboard"));
    let ran = command.args(words).arg("--help").output()?;
    anyhow::ensure!(ran.status.success(), "{words:?}: {}", String::from_utf8_lossy(&ran.stderr));
    Ok(())
}
