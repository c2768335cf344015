//! Slack's own SDKs, unmodified, on a tour through the gateway, with a file of some megabytes.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use reqwest::Method;
use serde_json::{Value, json};

use super::super::demo::Demo;
use super::super::http_client::{number, text};
use super::super::note;
use super::super::test_dir::TestDir;
use super::slack_node::PACKAGES;
use super::{node, slack_sdk, tour};
use crate::support::Browser;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/process/clients");
/// Scopes that the tours need beyond the unified API.
const MORE_SCOPES: [&str; 5] =
    ["admin.conversations:read", "channels:read", "files:read", "files:write", "groups:read"];

/// Starts a demo whose account has the tours' scopes; returns it with an account token.
async fn permitted(home: &TestDir) -> anyhow::Result<(Demo, String)> {
    let demo = Demo::start(home, &["--time-scale", "10000"]).await?;
    let (admin, account) = (&demo.report.admin_key, &demo.report.integrated_account_id);
    let apps = demo.call(Method::GET, "/provider-apps", admin, None).await?.ok()?;
    let path = format!("/provider-apps/{}", text(&apps, "/result/0/id")?);
    let held = apps.pointer("/result/0/scopes").and_then(Value::as_array).context("no scopes")?;
    let scopes: Vec<Value> = held.iter().cloned().chain(MORE_SCOPES.map(Value::from)).collect();
    let change = json!({"scopes": scopes});
    demo.call(Method::PATCH, &path, admin, Some(&change)).await?.ok()?;
    let shown = demo.get(&format!("/integrated-accounts/{account}")).await?.ok()?;
    let tenant = text(&shown, "/result/tenant_id")?;
    let body = json!({"tenant_id": tenant, "integrated_account_id": account});
    let link = demo.call(Method::POST, "/link-tokens", admin, Some(&body)).await?.ok()?;
    let page = Browser::new()?.complete_link(&text(&link, "/result/link_url")?.parse()?).await?;
    anyhow::ensure!(page.status == 200, "{}: {}", page.status, page.text);
    let token = demo.account_token().await?;
    Ok((demo, token))
}

/// Runs a tour; the sandbox must have received exactly the calls that it reports.
async fn run(command: &mut Command, demo: &Demo, token: &str) -> anyhow::Result<()> {
    let seen = tour(command.args([&demo.report.base_url, token]))?;
    let request_log = demo.sandbox_get("requests").await?;
    let file_steps = ["files.getUploadURLExternal", "upload", "files.completeUploadExternal"];
    for method in file_steps.into_iter().chain(["users.list", "admin.teams.create"]) {
        assert!(
            number(&request_log, &format!("/counts/{method}"))? > 0,
            "{method} of {request_log}"
        );
    }
    let throttled = request_log.pointer("/throttled");
    assert_eq!(throttled, Some(&json!({})), "the provider returned 429");
    let files = demo.sandbox_get("files").await?;
    assert_eq!(text(&files, "/files/0/content/sha256")?, text(&seen, "/sha256")?, "{files}");
    assert_eq!(text(&files, "/files/0/stage")?, "deleted");
    assert!(number(&seen, "/people")? > 10, "{seen}");
    Ok(())
}

#[tokio::test]
async fn slacks_python_sdk_tours_through_the_proxy() -> anyhow::Result<()> {
    let python = match slack_sdk()? {
        Ok(python) => python,
        Err(reason) => return note(format_args!("skipped: {reason}")),
    };
    let home = TestDir::new()?;
    let (demo, token) = permitted(&home).await?;
    let script = Path::new(SCRIPTS).join("in_python/through_proxy.py");
    run(Command::new(python).arg("-B").arg(script), &demo, &token).await
}

#[tokio::test]
async fn slacks_node_sdk_tours_through_the_proxy() -> anyhow::Result<()> {
    let modules = match node::with("slack_node-8.2.0", 20, PACKAGES)? {
        Ok(modules) => modules,
        Err(reason) => return note(format_args!("skipped: {reason}")),
    };
    let home = TestDir::new()?;
    let (demo, token) = permitted(&home).await?;
    let script = Path::new(SCRIPTS).join("in_node/through_proxy.cjs");
    run(Command::new("node").arg(script).env("NODE_PATH", modules), &demo, &token).await
}
