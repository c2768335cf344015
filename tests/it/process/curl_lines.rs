//! The demo's interactive output: the commands it prints work as printed.

use std::process::Command;

use anyhow::Context as _;
use serde_json::Value;

use super::http_client::list;
use super::program::Program;
use super::test_dir::TestDir;
use super::{START_TIMEOUT, note};

#[tokio::test]
async fn the_commands_that_the_demo_prints_work() -> anyhow::Result<()> {
    if Command::new("curl").arg("--version").output().is_err() {
        return note(format_args!("skipped: there is no curl to run the printed commands with"));
    }
    let home = TestDir::new()?;
    let mut demo = Program::start(&home, &["demo", "--port", "0"], &[])?;
    let whole = |out: &str, _: &str| out.contains("Ctrl-C stops").then(|| out.to_owned());
    let text = demo.wait_for_output(whole, START_TIMEOUT).await?;
    let lines: Vec<_> =
        text.lines().map(str::trim).filter(|line| line.starts_with("curl ")).collect();
    assert_eq!(lines.len(), 3, "{text}");
    for line in lines {
        let ran = Command::new("sh").args(["-c", line]).output()?;
        assert!(ran.status.success(), "{line}: {ran:?}");
        let response: Value =
            serde_json::from_slice(&ran.stdout).with_context(|| format!("{ran:?}"))?;
        check(line, &response).with_context(|| line.to_owned())?;
    }
    for page in
        text.split_whitespace().filter(|word| word.contains("/link/") || word.ends_with("/console"))
    {
        let ran = Command::new("curl").args(["-sfo", "/dev/null", page]).status()?;
        assert!(ran.success(), "{page}: {ran}");
    }
    assert_eq!(demo.stop().await?.code(), Some(0));
    Ok(())
}

fn check(line: &str, response: &Value) -> anyhow::Result<()> {
    if line.contains("/proxy/api/auth.test") {
        anyhow::ensure!(response.get("ok") == Some(&Value::Bool(true)), "{response}");
        return Ok(());
    }
    let key = if line.contains("/role-assignments?") { "role_id" } else { "emails" };
    let items = list(response, "/result")?;
    anyhow::ensure!(items.len() == 3, "{response}");
    anyhow::ensure!(items.iter().all(|item| item.get(key).is_some()), "{response}");
    for key in ["next_cursor", "prev_cursor", "limit", "result_count"] {
        anyhow::ensure!(response.get(key).is_some(), "no {key} in {response}");
    }
    Ok(())
}
