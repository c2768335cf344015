//! The published verifier of Standard Webhooks, which shares no code with the gateway, on deliveries of a demo.

use std::process::Command;

use serde_json::json;

use super::super::demo::Demo;
use super::super::note;
use super::super::test_dir::TestDir;
use super::{python, tour};

const SCRIPT: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/process/clients/in_python/webhook_verifier.py");
/// Version of November 2026.
const VERIFIER: (&str, &str) = ("standardwebhooks", "1.1.0");

#[tokio::test]
async fn the_published_verifier_accepts_every_delivery() -> anyhow::Result<()> {
    let python = match python::with(VERIFIER.0, VERIFIER.1, &[])? {
        Ok(python) => python,
        Err(reason) => return note(format_args!("skipped: {reason}")),
    };
    let home = TestDir::new()?;
    let mut demo = Demo::start(&home, &[]).await?;
    demo.synced().await?;
    let report = &demo.report;
    let mut command = Command::new(python);
    command.args([SCRIPT, &report.base_url, &report.admin_key, &report.integrated_account_id]);
    let results = tokio::task::spawn_blocking(move || tour(&mut command)).await??;
    let updated = "user.updated";
    let accepted = json!([["webhook.test", true], [updated, true], [updated, true]]);
    assert_eq!(
        results,
        json!({"accepted": accepted, "forged": [false, false, false], "rotated": [true, true]})
    );
    assert_eq!(demo.program.stop().await?.code(), Some(0));
    Ok(())
}
