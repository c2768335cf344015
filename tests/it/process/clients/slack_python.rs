//! Slack's Python SDK on a tour of the sandbox.

use std::process::Command;

use super::super::note;
use super::super::test_dir::TestDir;
use super::sandbox::Sandbox;
use super::{slack_sdk, tour};

const TOUR: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/process/clients/in_python/tour.py");

#[tokio::test]
async fn slacks_python_sdk_tours_the_sandbox() -> anyhow::Result<()> {
    let python = match slack_sdk()? {
        Ok(python) => python,
        Err(reason) => return note(format_args!("skipped: {reason}")),
    };
    let home = TestDir::new()?;
    let sandbox = Sandbox::start(&home).await?;
    let mut command = Command::new(python);
    tour(command.args(["-B", TOUR]).args(sandbox.credentials()))?;
    sandbox
        .expect_called(
            &[],
            &[
                "scim.users.replace",
                "scim.users.update",
                "scim.groups.replace",
                "scim.groups.update",
            ],
        )
        .await
}
