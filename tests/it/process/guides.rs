//! The guides: the commands of each page run against one demo.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use super::demo::{Demo, DemoInfo};
use super::note;
use super::readme::marked_blocks;
use super::test_dir::TestDir;

/// Folder of the pages.
const FOLDER: &str = "docs/guides";

/// Marker directly before a block that is run.
const MARKER: &str = "<!-- run by tests/it/process/guides.rs -->";

/// Expected output of each page's commands, as far as it is constant.
const EXPECTED_OUTPUT: &[(&str, &[&str])] = &[
    (
        "errors.md",
        &[
            r#""pointer": "status""#,
            r#"{"pointer":"/email","#,
            r#""/problems/provider_error""#,
            r#""method":"admin.users.list""#,
            r#""Sales""#,
            "Read back afterwards, it was not applied",
            "/problems/account_needs_reauth",
            r#"{"status":"needs_reauth","status_reason":"invalid_refresh_token"}"#,
            r#"{"status":"active"}"#,
            r#"{"type":"integrated_account.reactivated","reason":null}"#,
        ],
    ),
    (
        "first-link.md",
        &[
            r#"{"status":"pending"}"#,
            r#"{"status":"linked","integrated_account_id":"acc_"#,
            r#""tenant_id":"initech","status":"active"}"#,
            r#""plan": "gold""#,
            r#""admin.users:read""#,
            r#"{"type":"integrated_account.created","tenant":"initech"}"#,
            r#"{"status":"disconnected"}"#,
            r#"{"type":"integrated_account.disconnected"}"#,
        ],
    ),
    (
        "first-write.md",
        &[
            r#""Research""#,
            "replayed: true",
            "/problems/idempotency_key_reused",
            r#""outcome":"applied","why":null}"#,
            r#"{"id":"Rl01","place_id":"T0NOWHERE","outcome":"failed","why":"Slack"#,
            r#"{"role_name":"Workspace Admin","workspace_id":"T"#,
            r#""inactive""#,
            r#"{"part":"sessions","#,
            r#""active""#,
            r#"T0NOWHERE","outcome":"started"}"#,
            "status: 207",
        ],
    ),
    (
        "limits.md",
        &[
            r#"RateLimit: "admin.users.list";r="#,
            r#"RateLimit-Policy: "admin.users.list";q="#,
            r#"{"type":"/problems/rate_limited","status":429,"#,
            r#""name":"Headquarters"}"#,
            r#"{"succeeded":60,"failed":0}"#,
            r#"refusals_total{provider="slack_enterprise",method="admin.teams.list"} 1"#,
            "switchboard_limiter_wait_duration_seconds_sum",
        ],
    ),
];

/// Returns name and text of each page, sorted by name.
fn pages() -> anyhow::Result<Vec<(String, String)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER);
    let mut pages = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        pages.push((name, fs::read_to_string(entry.path())?));
    }
    pages.sort();
    Ok(pages)
}

/// Runs commands in one shell; returns standard output followed by standard error.
fn run(home: &TestDir, demo: &DemoInfo, commands: &str) -> anyhow::Result<String> {
    let ran = Command::new("bash")
        .args(["-euo", "pipefail", "-c", commands])
        .current_dir(home.path())
        .env("TMPDIR", home.temporary())
        .env("BASE", &demo.base_url)
        .env("KEY", &demo.api_key)
        .env("ADMIN", &demo.admin_key)
        .env("ACCOUNT", &demo.integrated_account_id)
        .env("SANDBOX", &demo.sandbox_url)
        .output()?;
    let message = [ran.stdout, ran.stderr].concat();
    let message = String::from_utf8_lossy(&message).into_owned();
    anyhow::ensure!(ran.status.success(), "{}:\n{message}", ran.status);
    Ok(message)
}

/// Returns whether something in backticks is a file or a folder of this repository.
fn is_path(word: &str) -> bool {
    word.contains('/') && !word.starts_with('/') && !word.contains(char::is_whitespace)
}

#[tokio::test]
async fn the_guides_commands_produce_the_documented_output() -> anyhow::Result<()> {
    let is_missing = |name: &&str| Command::new(name).arg("--version").output().is_err();
    if let Some(name) = ["bash", "curl", "jq"].iter().find(|name| is_missing(name)) {
        return note(format_args!("skipped: there is no {name} to run the guides with"));
    }
    let home = TestDir::new()?;
    let mut demo = Demo::start(&home, &[]).await?;
    // A run would receive faults that a page injects, and end in an event that a page does not expect.
    demo.synced().await?;
    let mut ran = Vec::new();
    for (name, page) in pages()? {
        let commands = marked_blocks(&page, MARKER).with_context(|| name.clone())?.join("\n");
        if commands.is_empty() {
            continue;
        }
        let message = run(&home, &demo.report, &commands).with_context(|| name.clone())?;
        let shown = EXPECTED_OUTPUT.iter().find(|(of, _)| *of == name);
        let (_, parts) =
            shown.with_context(|| format!("the expected output of {name} is missing here"))?;
        for part in *parts {
            assert!(message.contains(part), "{name}: {part} is not in\n{message}");
        }
        ran.push(name);
    }
    let reported: Vec<&str> = EXPECTED_OUTPUT.iter().map(|(name, _)| *name).collect();
    assert_eq!(ran, reported);
    assert_eq!(demo.program.stop().await?.code(), Some(0));
    Ok(())
}

#[test]
fn the_files_named_in_the_connector_guide_exist() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join(FOLDER).join("new-connector.md"))?;
    let named: Vec<&str> =
        page.split('`').skip(1).step_by(2).filter(|word| is_path(word)).collect();
    assert!(named.len() > 30, "{named:?}");
    let removed: Vec<_> = named.iter().filter(|path| !root.join(path).exists()).collect();
    assert!(removed.is_empty(), "{removed:?}");
    Ok(())
}
