//! The scripts: parsed by their shell, and checked by shellcheck where it is installed.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use super::{path, text};

fn scripts() -> anyhow::Result<Vec<PathBuf>> {
    let mut found = vec![path(".ci/run"), path("src/embedded/guard.sh")];
    for entry in std::fs::read_dir(path("scripts"))? {
        let script = entry?.path();
        if script.extension().is_some_and(|kind| kind == "sh") {
            found.push(script);
        }
    }
    anyhow::ensure!(found.len() > 5, "the scripts were not found");
    Ok(found)
}

#[test]
fn every_script_parses_in_its_shell() -> anyhow::Result<()> {
    for script in scripts()? {
        let first = std::fs::read_to_string(&script)?;
        let first = first.lines().next().unwrap_or_default().to_owned();
        let shell = if first.contains("bash") { "bash" } else { "sh" };
        let read = Command::new(shell).arg("-n").arg(&script).output().context(shell)?;
        assert!(read.status.success(), "{}: {read:?}", script.display());
    }
    Ok(())
}

#[test]
fn shellcheck_reports_nothing() -> anyhow::Result<()> {
    if Command::new("shellcheck").arg("--version").output().is_err() {
        return Ok(());
    }
    let checked = Command::new("shellcheck")
        .args(["--severity", "warning", "--shell", "bash"])
        .args(scripts()?)
        .output()?;
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    Ok(())
}

#[test]
fn the_secrets_of_compose_are_created_once() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::create_dir(folder.path().join("scripts"))?;
    let script = folder.path().join("scripts/make.sh");
    std::fs::write(&script, text("scripts/compose_secrets.sh")?)?;
    let mut runs = Vec::new();
    for _ in 0..2 {
        let ran = Command::new("sh").arg(&script).output()?;
        assert!(ran.status.success(), "{ran:?}");
        let read = |name| std::fs::read_to_string(folder.path().join("secrets").join(name));
        let created = [
            read("database_url")?,
            read("vault_keys")?,
            read("database_owner_url")?,
            read("redis_url")?,
            read("postgres_password")?,
            read("postgres_owner_password")?,
            read("postgres_runtime_password")?,
            read("redis_password")?,
        ];
        let message = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert!(created.iter().all(|secret| !message.contains(secret)), "{message}");
        runs.push(created);
    }
    assert_eq!(runs[0], runs[1]);
    let variables = [("URL", &runs[0][0]), ("KEYS", &runs[0][1])].map(|(name, value)| {
        let section = if name == "URL" { "DATABASE" } else { "VAULT" };
        (format!("SWITCHBOARD__{section}__{name}"), value.clone())
    });
    super::settings(&variables, true)?;
    Ok(())
}
