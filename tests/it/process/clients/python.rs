//! A Python with packages of fixed versions.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Requirement, cached, succeed};

/// Version of Slack's SDK of November 2026.
const SLACK_SDK: &str = "3.47.0";

/// Returns a Python with Slack's SDK, or why it is unavailable.
pub(in crate::process) fn slack_sdk() -> anyhow::Result<Requirement<PathBuf>> {
    with("slack_sdk", SLACK_SDK, &[])
}

/// Returns a Python with packages in pip's syntax, or why it is unavailable.
pub(super) fn with(
    package: &str,
    version: &str,
    others: &[&str],
) -> anyhow::Result<Requirement<PathBuf>> {
    let check =
        format!("import importlib.metadata as m; assert m.version({package:?}) == {version:?}");
    let has_package = |folder: &Path| {
        let mut python = Command::new(python(folder));
        succeed(python.args(["-c", &check])).is_ok()
    };
    let fill = |folder: &Path| {
        let mut venv = Command::new("python3");
        succeed(venv.args(["-m", "venv", "--clear"]).arg(folder))
            .map_err(|reason| format!("python3 -m venv does not work: {reason}"))?;
        let mut install = Command::new(python(folder));
        install.args(["-m", "pip", "install", "--disable-pip-version-check", "--quiet"]);
        install.args(["--timeout", "15", "--retries", "1"]).arg(format!("{package}=={version}"));
        succeed(install.args(others))
            .map_err(|reason| format!("{package} {version} can't be installed: {reason}"))?;
        Ok(())
    };
    let folder = cached::cached_folder(&format!("{package}-{version}"), has_package, fill)?;
    Ok(folder.map(|folder| python(&folder)))
}

fn python(folder: &Path) -> PathBuf {
    folder.join("bin/python")
}
