//! The commands: help, errors, and the commands that need no database.

use std::collections::VecDeque;

use reqwest::Method;
use serde_json::Value;

use super::demo::Demo;
use super::http_client::{Client, number};
use super::program::{Program, run};
use super::test_dir::TestDir;
use super::{START_TIMEOUT, STOP_TIMEOUT};
use crate::support::plain_words::check_words;

/// Returns the lines of a section of a help page, without their indentation.
fn section<'a>(help: &'a str, title: &str) -> Vec<&'a str> {
    let lines = help.lines().skip_while(|line| *line != title).skip(1);
    lines.take_while(|line| line.starts_with(' ')).map(str::trim).collect()
}

#[tokio::test]
async fn every_option_of_every_command_is_described() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let mut waiting = VecDeque::from([Vec::<String>::new()]);
    let mut seen = Vec::new();
    while let Some(command) = waiting.pop_front() {
        let mut arguments = command.clone();
        arguments.push("--help".to_owned());
        let help = run(&home, &arguments).await?;
        assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""), "{arguments:?}");
        let page = &help.stdout;
        assert!(page.lines().next().is_some_and(|line| line.len() > 10), "{page}");
        check_words(page);
        for title in ["Commands:", "Options:", "Arguments:"] {
            for line in section(page, title) {
                let described = line.split("  ").map(str::trim).filter(|part| !part.is_empty());
                let described = described.filter(|part| !part.starts_with('-')).last();
                let words = described.map_or(0, |text| text.split(' ').count());
                assert!(words >= 2, "{arguments:?} does not describe {line:?}");
            }
        }
        for line in section(page, "Commands:") {
            let name = line.split(' ').next().unwrap_or_default();
            if name != "help" {
                waiting.push_back([command.clone(), vec![name.to_owned()]].concat());
            }
        }
        seen.push(command.join(" "));
    }
    for wanted in [
        "serve",
        "worker",
        "demo",
        "sandbox",
        "migrate",
        "keys create",
        "keys revoke",
        "keys rotate",
        "environments create",
        "environments list",
        "provider-apps create",
        "accounts list",
        "accounts refresh",
        "accounts disconnect",
        "sync",
        "events",
        "webhooks listen",
        "webhooks list",
        "webhooks test",
        "audit purge",
        "secrets rotate",
        "doctor",
        "healthcheck",
        "openapi",
    ] {
        assert!(seen.iter().any(|command| command == wanted), "{wanted} is not in {seen:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_printed_openapi_document_is_the_served_one() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let demo = Demo::start(&home, &[]).await?;
    let printed = run(&home, &["openapi"]).await?;
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    let printed: Value = serde_json::from_str(&printed.stdout)?;
    let served = demo.get("/openapi.json").await?.ok()?;
    assert!(printed.pointer("/paths/~1users/get").is_some());
    assert!(printed == served, "the two documents differ");
    Ok(())
}

#[tokio::test]
async fn the_sandbox_runs_standalone() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let arguments = ["sandbox", "--port", "0", "--users", "30", "--workspaces", "2"];
    let mut sandbox = Program::start(&home, &arguments, &[])?;
    let address = |out: &str, _: &str| {
        let line = out.lines().find(|line| line.contains("sandbox at "))?;
        Some(line.rsplit_once(' ')?.1.to_owned())
    };
    let url = sandbox.wait_for_output(address, START_TIMEOUT).await?;
    let client = Client::new()?;
    let state = client.get(&format!("{url}/_sandbox/state")).await?.ok()?;
    assert_eq!((number(&state, "/users")?, number(&state, "/workspaces")?), (30, 2));
    let rejected = client.get(&format!("{url}/api/auth.test")).await?.ok()?;
    assert_eq!(rejected.get("error"), Some(&Value::from("not_authed")), "{rejected}");
    assert_eq!(sandbox.stop().await?.code(), Some(0));
    Ok(())
}

#[tokio::test]
async fn missing_settings_are_listed_together() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let database: &[&str] = &["database.url"];
    let all: &[&str] = &["database.url", "vault.keys"];
    // Commands that only use the database need no master key.
    for (command, needed) in [
        (&["serve"][..], all),
        (&["worker"], all),
        (&["migrate"], database),
        (&["keys", "list"], database),
        (&["sync", "acc_01J8ZQ5V9Y3M7T2K4N6P8R0S1T"], database),
    ] {
        let ended = run(&home, command).await?;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{command:?}");
        for key in all {
            let named = ended.stderr.contains(key);
            assert_eq!(named, needed.contains(key), "{key}, {command:?}: {}", ended.stderr);
        }
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    }
    Ok(())
}

#[tokio::test]
async fn errors_in_a_settings_file_are_named() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let file = home.file("bad.toml");
    for (text, named) in [
        ("[server]\nlisten_on = 1\n", "listen_on"),
        ("[server]\nmax_body_bytes = \"many\"\n", "max_body_bytes"),
        ("[server\n", "bad.toml"),
        ("[server]\nlisten = \"nowhere\"\n[log]\nfilter = \"a=b=c\"\n", "log.filter"),
        ("[server]\nlisten = \"nowhere\"\n", "server.listen"),
    ] {
        std::fs::write(&file, text)?;
        let path = file.display().to_string();
        let ended = run(&home, &["serve", "--config", &path]).await?;
        assert_eq!(ended.code, Some(1), "{text}: {}", ended.stderr);
        assert!(ended.stderr.contains(named), "{named} is missing in: {}", ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    }
    Ok(())
}

#[tokio::test]
async fn rejects_an_unknown_option_without_side_effects() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let mut program = Program::start(&home, &["demo", "--jason"], &[])?;
    assert_eq!(program.exit(STOP_TIMEOUT).await?.code(), Some(2));
    assert!(program.stderr()?.contains("--json"), "no hint at the right one");
    assert!(home.leftovers()?.is_empty());
    Ok(())
}

#[tokio::test]
async fn the_sandbox_reads_faults_from_a_file_and_explains_an_invalid_one() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let file = home.path().join("faults.json");
    std::fs::write(&file, r#"[{"method": "api.test", "kind": "server_error"}]"#)?;
    let arguments = ["sandbox", "--port", "0", "--faults", &file.display().to_string()];
    let mut program = Program::start(&home, &arguments, &[])?;
    let address = |out: &str, _: &str| {
        let line = out.lines().find_map(|line| line.split_once("sandbox at "));
        line.map(|(_, address)| address.trim().to_owned())
    };
    let base = program.wait_for_output(address, START_TIMEOUT).await?;
    let client = Client::new()?;
    for status in [500, 200] {
        let response = client.send(Method::GET, &format!("{base}/api/api.test"), &[], None).await?;
        assert_eq!(response.status, status);
    }
    std::fs::write(&file, r#"{"method": "api.test"}"#)?;
    let ended = run(&home, &arguments).await?;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("faults.json must contain an array"), "{}", ended.stderr);
    Ok(())
}
