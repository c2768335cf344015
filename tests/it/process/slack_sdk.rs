//! Slack's own Python SDK, unmodified, with the gateway in Slack's place.

use std::process::Command;

use anyhow::Context as _;
use serde_json::Value;

use super::clients;
use super::demo::Demo;
use super::http_client::number;
use super::note;
use super::test_dir::TestDir;

const TOUR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/process/slack_sdk_tour.py");

#[tokio::test]
async fn slacks_python_sdk_works_with_another_base_url() -> anyhow::Result<()> {
    let python = match clients::slack_sdk()? {
        Ok(python) => python,
        Err(reason) => return note(format_args!("skipped: {reason}")),
    };
    let home = TestDir::new()?;
    let demo = Demo::start(&home, &[]).await?;
    let token = demo.account_token().await?;
    let ran = Command::new(python)
        .arg(TOUR)
        .args([&demo.report.base_url, &token])
        .env("NO_PROXY", "127.0.0.1")
        .output()?;
    let message = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{message}");
    let tour: Value = serde_json::from_slice(&ran.stdout).context("the tour prints JSON")?;
    let state = demo.sandbox_get("state").await?;
    let (users, active) = (number(&state, "/users")?, number(&state, "/active_users")?);
    assert_eq!(number(&tour, "/active_users")?, active, "{tour} but {state}");
    assert_eq!(number(&tour, "/teams")?, number(&state, "/workspaces")?);
    assert_eq!(tour.pointer("/unknown_user"), Some(&Value::from("user_not_found")));
    for version in ["v1", "v2"] {
        let people = number(&tour, &format!("/scim/{version}/users"))?;
        // SCIM includes deactivated users, and no bots.
        assert!(people > active / 2 && people <= users, "{tour} but {state}");
        assert_eq!(number(&tour, &format!("/scim/{version}/total"))?, people, "{tour}");
        assert_eq!(number(&tour, &format!("/scim/{version}/groups"))?, number(&state, "/groups")?);
    }
    Ok(())
}
