//! The commands of `docs/sandbox.md` work as printed.

use std::process::Command;

use super::super::note;
use super::super::test_dir::TestDir;
use super::sandbox::Sandbox;
use super::succeed;

const PAGE: &str = include_str!("../../../../docs/sandbox.md");

#[tokio::test]
async fn the_commands_of_the_sandboxs_page_work() -> anyhow::Result<()> {
    if succeed(Command::new("curl").arg("--version")).is_err() {
        return note(format_args!("skipped: there is no curl to run the documented commands with"));
    }
    let home = TestDir::new()?;
    let sandbox = Sandbox::start(&home).await?;
    let lines: Vec<_> = PAGE.lines().filter(|line| line.starts_with("curl ")).collect();
    assert!(lines.len() >= 10, "{lines:?}");
    for line in lines {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).env("SANDBOX", &sandbox.base_url).env("NO_PROXY", "127.0.0.1");
        let ran = succeed(&mut shell).map_err(|reason| anyhow::anyhow!("{line}: {reason}"))?;
        serde_json::from_slice::<serde_json::Value>(&ran.stdout)?;
    }
    Ok(())
}
