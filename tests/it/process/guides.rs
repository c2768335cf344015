//! The guides and the pages about events, linking and the sync: the commands of each page run against one demo.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use super::demo::{Demo, DemoInfo};
use super::note;
use super::program::command;
use super::readme::marked_blocks;
use super::test_dir::TestDir;

/// Folder of the guides.
const FOLDER: &str = "docs/guides";
/// Another page with commands. It is run first.
const EVENTS_PAGE: &str = "EVENTS.md";
/// Other pages with commands. They are run last.
const LAST_PAGES: [&str; 2] = ["LINKING.md", "SYNC.md"];

/// Marker directly before a block that is run.
const MARKER: &str = "<!-- run by tests/it/process/guides.rs -->";

/// Expected output of each page's commands, as far as it is constant.
const EXPECTED_OUTPUT: &[(&str, &[&str])] = &[
    (
        "EVENTS.md",
        &[
            r#"{"sequence":1,"type":"integrated_account.created","origin":"gateway"}"#,
            "continue with: --after ",
            r#"{"type":"user.updated","origin":"gateway","actor":"gateway","title":"Lighthouse keeper","previous":["title""#,
            r#""event_types":["user.*","role_assignment.*"],"is_active":true,"secret":"whsec_"}"#,
            r#"{"is_active":false}"#,
            "the endpoint returned 204 after ",
            r#"{"type":"webhook.test","id":"evt_"#,
            r#"{"type":"user.updated","id":"evt_"#,
            r#"{"event_type":"webhook.test","status":"succeeded","responses":[204]}"#,
            r#"{"source":"provider_events","is_available":true}"#,
            r#"{"type":"user.updated","origin":"provider_event","actor":null,"title":"Director since "#,
        ],
    ),
    (
        "access-review.md",
        &[
            r#"{"access_type":"role","access_id":"org:"#,
            r#""is_older_than_sync":true}"#,
            "user_id,email,name,username,title,department,status,user_type,last_activity_at,access_type,access_id,",
            r#""granted_by_type":"gateway","granted_by_id":"key_"#,
            r#"{"now":true,"before":false}"#,
            r#"{"guests":"#,
            r#""access_review.exported""#,
        ],
    ),
    (
        "drift.md",
        &[
            "max_holders: At most",
            r#"{"created":0}"#,
            "critical\tPrivileged roles are granted through the gateway",
            r#"{"count":0,"problem":null}"#,
            r#"{"problems":[]}"#,
            r#"{"ok":true}"#,
            r#""severity": "critical""#,
            r#""id": "org:owner""#,
            r#""type": "role_assignment.revoke""#,
            r#"{"status":"acknowledged"}"#,
            r#"{"type":"role_assignment.revoke","role_id":"org:owner","outcome":"applied","detail":null}"#,
            r#"{"owner":0}"#,
            r#"{"action":"drift.fixed","outcome":"done"}"#,
            r#"{"action":"drift.acknowledged","outcome":"done"}"#,
            r#"{"status":"resolved","occurrences":1}"#,
        ],
    ),
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
    (
        "reconcile.md",
        &[
            "Who loses access:",
            "deactivate the person",
            "create the person",
            "Plan: 2 to create",
            r#"{"status":"applying"}"#,
            r#"{"status":"applied","applied":"#,
            r#"{"create":0,"update":0,"deactivate":0,"add":0,"remove":0,"skip":0}"#,
            r#"{"rule":"Field research","matches":false}"#,
            r#"{"department":"Field Research"}"#,
            r#"{"rule":"Field research","matches":true}"#,
        ],
    ),
    (
        "scim.md",
        &[
            r#""provider":"scim","status":"active"}"#,
            r#""user_type":"member"}"#,
            r#""role_group_prefix":"role-""#,
            r#""name":"ws-berlin"}"#,
            r#""role_name":"role-auditors"}"#,
            r#""name":"role-auditors"}"#,
            r#"{"resource":"workspaces","unsupported":["create","update"]}"#,
            r#"{"type":"/problems/unsupported_by_provider","status":501}"#,
            r#"{"type":"/problems/invalid_body","pointers":["/user_type"]}"#,
        ],
    ),
    ("LINKING.md", &[r#""name":"Acme HR""#, r#""origins":["https://app.acme.example"]"#]),
    (
        "SYNC.md",
        &[
            r#"{"status":"succeeded","resources":["workspaces","users","groups","role_assignments"]}"#,
            r#"{"status":"succeeded","resources":["workspaces","users"]}"#,
        ],
    ),
];

/// Returns name and text of each page, sorted by name.
fn pages() -> anyhow::Result<Vec<(String, String)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = Vec::new();
    for entry in fs::read_dir(root.join(FOLDER))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        pages.push((name, fs::read_to_string(entry.path())?));
    }
    pages.sort();
    let page = |name: &str| -> anyhow::Result<(String, String)> {
        Ok((name.to_owned(), fs::read_to_string(root.join("docs").join(name))?))
    };
    pages.insert(0, page(EVENTS_PAGE)?);
    for name in LAST_PAGES {
        pages.push(page(name)?);
    }
    Ok(pages)
}

/// Creates a folder with the program as `switchboard`; returns `PATH` with that folder in it.
fn path_with_program(home: &TestDir) -> anyhow::Result<OsString> {
    let folder = home.file("bin");
    if !folder.exists() {
        fs::create_dir(&folder)?;
        let program = std::path::absolute(command(home).get_program())?;
        symlink(program, folder.join("switchboard"))?;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder).chain(std::env::split_paths(&path));
    Ok(std::env::join_paths(folders)?)
}

/// Runs commands in one shell; returns standard output followed by standard error.
fn run(home: &TestDir, demo: &DemoInfo, commands: &str) -> anyhow::Result<String> {
    let ran = Command::new("bash")
        .args(["-euo", "pipefail", "-c", commands])
        .current_dir(home.path())
        .env("PATH", path_with_program(home)?)
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
    let log = demo.program.stderr()?;
    assert!(log.contains("provider_error"), "failures of the provider are logged: {log}");
    assert!(!log.contains("unsupported_by_provider"), "errors of the caller are not: {log}");
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
