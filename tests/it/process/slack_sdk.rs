//! Slack's own Python SDK, unmodified, with the gateway in Slack's place.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::Context as _;
use serde_json::Value;

use super::demo::Demo;
use super::home::Home;
use super::note;
use super::talk::number;

/// The SDK's version of November 2026.
const VERSION: &str = "3.47.0";
const TOUR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/process/slack_sdk_tour.py");

/// A Python that has the SDK, kept from one run of the tests to the next; or why there is none.
fn python() -> anyhow::Result<Result<PathBuf, String>> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("slack_sdk-{VERSION}"));
    let python = folder.join("bin/python");
    if !has_sdk(&python) {
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv", "--clear"]).arg(&folder);
        if let Err(reason) = succeeded(venv.output().map_err(anyhow::Error::from)) {
            return Ok(Err(format!("python3 -m venv does not work: {reason}")));
        }
        let mut install = Command::new(&python);
        install.args(["-m", "pip", "install", "--disable-pip-version-check", "--quiet"]);
        install.args(["--timeout", "15", "--retries", "1"]).arg(format!("slack_sdk=={VERSION}"));
        if let Err(reason) = succeeded(install.output().map_err(anyhow::Error::from)) {
            return Ok(Err(format!("slack_sdk {VERSION} can't be installed: {reason}")));
        }
    }
    anyhow::ensure!(has_sdk(&python), "{} has no slack_sdk {VERSION}", folder.display());
    Ok(Ok(python))
}

fn has_sdk(python: &Path) -> bool {
    let check = format!("import slack_sdk.version as v; assert v.__version__ == '{VERSION}'");
    Command::new(python).args(["-c", &check]).output().is_ok_and(|ran| ran.status.success())
}

fn succeeded(ran: anyhow::Result<Output>) -> Result<(), String> {
    match ran {
        Ok(ran) if ran.status.success() => Ok(()),
        Ok(ran) => {
            let said = String::from_utf8_lossy(&ran.stderr);
            Err(said.lines().last().unwrap_or("nothing said").to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}

#[tokio::test]
async fn the_python_sdk_works_with_nothing_changed_but_its_base_url() -> anyhow::Result<()> {
    let python = match python()? {
        Ok(python) => python,
        Err(reason) => return note(format_args!("skipped: {reason}")),
    };
    let home = Home::new()?;
    let demo = Demo::start(&home, &[]).await?;
    let token = demo.account_token().await?;
    let ran = Command::new(python)
        .arg(TOUR)
        .args([&demo.report.base_url, &token])
        .env("NO_PROXY", "127.0.0.1")
        .output()?;
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    let tour: Value = serde_json::from_slice(&ran.stdout).context("the tour prints JSON")?;
    let state = demo.ask_sandbox("state").await?;
    let (users, active) = (number(&state, "/users")?, number(&state, "/active_users")?);
    assert_eq!(number(&tour, "/active_users")?, active, "{tour} but {state}");
    assert_eq!(number(&tour, "/teams")?, number(&state, "/workspaces")?);
    assert_eq!(tour.pointer("/unknown_user"), Some(&Value::from("user_not_found")));
    for version in ["v1", "v2"] {
        let people = number(&tour, &format!("/scim/{version}/users"))?;
        // SCIM tells of the deactivated too, and of no bots.
        assert!(people > active / 2 && people <= users, "{tour} but {state}");
        assert_eq!(number(&tour, &format!("/scim/{version}/total"))?, people, "{tour}");
        assert_eq!(number(&tour, &format!("/scim/{version}/groups"))?, number(&state, "/groups")?);
    }
    Ok(())
}
