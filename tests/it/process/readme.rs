//! The README's example: its block runs as printed, against a demo.

use std::process::Command;

use anyhow::Context as _;
use serde_json::Value;

use super::program::Program;
use super::test_dir::TestDir;
use super::{START_TIMEOUT, note};

/// Marker directly before a block that is run.
const MARKER: &str = "<!-- run by tests/it/process/readme.rs -->";

/// Returns the blocks of a page behind this comment, in order.
pub(super) fn marked_blocks<'p>(page: &'p str, mark: &str) -> anyhow::Result<Vec<&'p str>> {
    let blocks = page.split(mark).skip(1).map(|text| {
        let (block, _) = text.strip_prefix("\n```sh\n")?.split_once("\n```\n")?;
        Some(block)
    });
    blocks.collect::<Option<_>>().context("a mark has no block of sh behind it")
}

/// Returns the block of the README.
fn block() -> anyhow::Result<String> {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"))?;
    let blocks = marked_blocks(&readme, MARKER)?;
    Ok((*blocks.first().context("the README has no such block")?).to_owned())
}

#[tokio::test]
async fn the_readmes_example_runs() -> anyhow::Result<()> {
    if Command::new("jq").arg("--version").output().is_err() {
        return note(format_args!("skipped: there is no jq to run the README's example with"));
    }
    let home = TestDir::new()?;
    let mut demo = Program::start(&home, &["demo", "--port", "0", "--json", "--no-activity"], &[])?;
    let line =
        |out: &str, _: &str| out.lines().next().and_then(|one| serde_json::from_str(one).ok());
    let ready: Value = demo.wait_for_output(line, START_TIMEOUT).await?;
    let text = |field: &str| ready[field].as_str().unwrap_or_default().to_owned();
    let ran = Command::new("sh")
        .args(["-euc", &block()?])
        .env("BASE", text("base_url"))
        .env("KEY", text("api_key"))
        .env("ACCOUNT", text("integrated_account_id"))
        .output()?;
    let message = String::from_utf8_lossy(&ran.stdout).into_owned();
    anyhow::ensure!(ran.status.success(), "{ran:?}");
    for row in [
        r#""role_id":"ws:admin""#,
        r#""role_id":"Rl0C""#,
        r#"{"part":"account","#,
        r#"{"part":"expiry","#,
        r#"{"name":"Grace Hopper","department":"Research"}"#,
        r#"{"role_name":"Workspace Admin","workspace_id":"T"#,
        r#"{"name":"Grace Hopper","status":"inactive"}"#,
    ] {
        assert!(message.contains(row), "{row} is not in {message}");
    }
    assert!(!message.contains(r#""outcome":"failed""#), "{message}");
    assert_eq!(demo.stop().await?.code(), Some(0));
    Ok(())
}
