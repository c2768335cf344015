//! A folder of npm packages of fixed versions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Requirement, cached, succeed};

/// Packages and their versions.
type Packages<'a> = &'a [(&'a str, &'a str)];

/// Returns the folder with the packages, or why it is unavailable.
pub(super) fn with(
    name: &str,
    least_node: u32,
    packages: Packages<'_>,
) -> anyhow::Result<Requirement<PathBuf>> {
    if let Err(reason) = has_node(least_node) {
        return Ok(Err(reason));
    }
    let fill = |folder: &Path| {
        fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--save-exact"]);
        npm.args(["--fetch-timeout=15000", "--fetch-retries=1", "--prefix"]).arg(folder);
        npm.args(packages.iter().map(|(package, version)| format!("{package}@{version}")));
        let wanted = packages.iter().map(|(package, _)| *package).collect::<Vec<_>>().join(", ");
        succeed(&mut npm).map_err(|reason| format!("{wanted} can't be installed: {reason}"))?;
        Ok(())
    };
    let folder = cached::cached_folder(name, |folder| has(folder, packages), fill)?;
    Ok(folder.map(|folder| folder.join("node_modules")))
}

fn has_node(least: u32) -> Requirement<()> {
    let ran = succeed(Command::new("node").arg("--version"))
        .map_err(|reason| format!("node does not work: {reason}"))?;
    let version = String::from_utf8_lossy(&ran.stdout).trim().to_owned();
    let major =
        version.trim_start_matches('v').split('.').next().and_then(|word| word.parse().ok());
    if major.is_some_and(|major: u32| major >= least) {
        Ok(())
    } else {
        Err(format!("the packages need node {least} or newer, this is {version}"))
    }
}

fn has(folder: &Path, packages: Packages<'_>) -> bool {
    packages.iter().all(|(package, version)| {
        let about = folder.join("node_modules").join(package).join("package.json");
        let about = fs::read(about)
            .ok()
            .and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
        about.is_some_and(|about| about.get("version").is_some_and(|found| found == version))
    })
}
