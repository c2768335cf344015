//! A Python with packages of fixed versions.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Perhaps, kept, succeed};

/// The version of Slack's SDK of November 2026.
const SLACK_SDK: &str = "3.47.0";

/// A Python that has Slack's SDK, or why there is none.
pub(in crate::process) fn slack_sdk() -> anyhow::Result<Perhaps<PathBuf>> {
    with("slack_sdk", SLACK_SDK, &[])
}

/// A Python that has a package and what goes with it, asked for in pip's words; or why there is none.
pub(super) fn with(
    package: &str,
    version: &str,
    others: &[&str],
) -> anyhow::Result<Perhaps<PathBuf>> {
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
    let folder = kept::kept(&format!("{package}-{version}"), has_package, fill)?;
    Ok(folder.map(|folder| python(&folder)))
}

fn python(folder: &Path) -> PathBuf {
    folder.join("bin/python")
}
