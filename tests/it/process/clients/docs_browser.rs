//! The API reference in Chromium: every page in both color schemes and at two widths, checked by axe-core; search, samples,
//! and requests that a reader sends.

use std::process::Command;

use serde_json::json;

use super::super::demo::Demo;
use super::super::note;
use super::super::test_dir::TestDir;
use super::console_browser::{AXE, PLAYWRIGHT};
use super::{node, python, succeed, tour};

const TOUR: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/process/clients/in_python/docs_browser.py");

#[tokio::test]
async fn people_read_and_try_the_api_in_a_real_browser() -> anyhow::Result<()> {
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
    let mut command = Command::new(python);
    command.args(["-B", TOUR, &report.base_url, &report.admin_key, &report.integrated_account_id]);
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
        "axe": [], "too_wide": [], "faults": [], "search": true, "copied": true, "read": true, "objects": true, "canceled": true,
        "invalid": true, "sent": true, "injected": 0, "key_is_stored": false, "without_script": true,
    });
    assert_eq!(seen, expected);
    Ok(())
}
