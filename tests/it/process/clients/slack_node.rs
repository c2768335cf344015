//! Slack's Node SDK on a tour of the sandbox.

use std::process::Command;

use super::super::note;
use super::super::test_dir::TestDir;
use super::sandbox::Sandbox;
use super::{node, tour};

const TOUR: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/process/clients/in_node/tour.cjs");
/// Versions of November 2026.
pub(super) const PACKAGES: &[(&str, &str)] =
    &[("@slack/oauth", "4.0.0"), ("@slack/web-api", "8.2.0")];

#[tokio::test]
async fn slacks_node_sdk_tours_the_sandbox() -> anyhow::Result<()> {
    let modules = match node::with("slack_node-8.2.0", 20, PACKAGES)? {
        Ok(modules) => modules,
        Err(reason) => return note(format_args!("skipped: {reason}")),
    };
    let home = TestDir::new()?;
    let sandbox = Sandbox::start(&home).await?;
    let mut command = Command::new("node");
    tour(command.arg(TOUR).args(sandbox.credentials()).env("NODE_PATH", modules))?;
    sandbox
        .expect_called(
            &["oauth.v2.exchange", "users.identity"],
            &["scim.users.create", "scim.groups.create"],
        )
        .await
}
