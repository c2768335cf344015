//! The console and the hosted directory view in Chromium: every page in both color schemes and at two widths, checked by
//! axe-core; changes by mouse and by keyboard.

use std::process::Command;
use std::time::Instant;

use serde_json::json;

use super::super::demo::Demo;
use super::super::note;
use super::super::test_dir::TestDir;
use super::super::{POLL_INTERVAL, START_TIMEOUT};
use super::{node, python, succeed, tour};

const TOUR: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/process/clients/in_python/console_browser.py");
/// Versions of November 2026.
pub(super) const PLAYWRIGHT: &str = "1.65.2";
pub(super) const AXE: (&str, &str) = ("axe-core", "4.14.1");

/// Waits for the first violations, which are found in the first copy.
async fn violated(demo: &Demo) -> anyhow::Result<()> {
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        let found = demo.get("/drift?status=open&severity=warning&limit=1").await?.ok()?;
        if found.pointer("/result/0").is_some() {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < deadline, "no violations: {found}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

#[tokio::test]
async fn people_use_the_console_in_a_real_browser() -> anyhow::Result<()> {
    if let Err(reason) = succeed(Command::new("chromium").arg("--version")) {
        return note(format_args!("skipped: chromium does not work: {reason}"));
    }
    let python = match python::with("playwright", PLAYWRIGHT, &[])? {
        Ok(python) => python,
        Err(reason) => return note(format_args!("skipped: {reason}")),
    };
    let axe = node::with("axe", 18, &[AXE])?;
    let home = TestDir::new()?;
    let demo = Demo::start(&home, &[]).await?;
    let report = &demo.report;
    demo.synced().await?;
    violated(&demo).await?;
    let mut command = Command::new(python);
    command.args(["-B", TOUR, &report.base_url, &report.admin_key]);
    command.args([&report.integrated_account_id, &report.environment_id]);
    match &axe {
        Ok(modules) => {
            command.arg("--axe").arg(modules.join(AXE.0).join("axe.min.js"));
        }
        Err(reason) => note(format_args!("without axe-core: {reason}"))?,
    }
    if let Some(folder) = std::env::var_os("SWITCHBOARD_PICTURES") {
        command.arg("--pictures").arg(folder);
    }
    let seen = tour(&mut command)?;
    let expected = json!({
        "axe": [], "too_wide": [], "faults": [], "focus": [], "preview": 2, "search": true, "key": true, "webhook": true, "link": true,
        "portal_fix": 0, "portal_apply": 0, "foreign_frame": 0,
    });
    assert_eq!(seen, expected);
    Ok(())
}
