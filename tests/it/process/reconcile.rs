//! `switchboard plan` and `switchboard apply` against a running gateway.

use std::fs;

use anyhow::Context as _;
use serde_json::Value;

use super::demo::Demo;
use super::http_client::{list, text};
use super::program::{Finished, Program, run};
use super::test_dir::TestDir;

#[tokio::test]
async fn a_plan_from_a_file_is_shown_applied_and_then_empty() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let mut demo = Demo::start(&home, &[]).await?;
    demo.synced().await?;
    let (url, key) = (demo.report.base_url.clone(), demo.report.api_key.clone());
    let account = demo.report.integrated_account_id.clone();
    let command = async |command: &str, options: &[&str]| -> anyhow::Result<Finished> {
        let all = [&[command, "--url", &url, "--api-key", &key][..], options].concat();
        run(&home, &all).await
    };
    let users = demo
        .get("/users?limit=100&user_type=member&status=active&role%5Bid%5D=org:member")
        .await?
        .ok()?;
    let user = list(&users, "/result")?.first().context("no user")?.clone();
    let email = text(&user, "/emails/0/email")?;
    let file = |name: &str, content: &str| -> anyhow::Result<String> {
        let path = home.file(name);
        fs::write(&path, content)?;
        Ok(path.display().to_string())
    };
    let csv = file("people.csv", &format!("email,title\n{email},Lighthouse keeper\n"))?;
    let planned = command("plan", &[&csv, "--account", &account]).await?;
    assert_eq!(planned.code, Some(2), "{planned:?}");
    assert!(planned.stdout.contains("  ~    1  "), "{planned:?}");
    assert!(planned.stdout.contains("Plan: 0 to create, 1 to update"), "{planned:?}");
    assert!(!planned.stdout.contains('\u{1b}'), "no colours in a pipe: {planned:?}");
    let apply = planned.stderr.lines().find_map(|line| line.split_once("switchboard apply "));
    let apply: Vec<&str> = apply.context("no command")?.1.split(' ').collect();
    let [id, "--hash", hash] = apply[..] else { anyhow::bail!("{planned:?}") };

    let asked = command("apply", &[id]).await?;
    assert_eq!(asked.code, Some(1));
    assert!(asked.stderr.contains("add --yes"), "{asked:?}");
    let foreign = command("apply", &[id, "--yes", "--hash", "0000"]).await?;
    assert_eq!(foreign.code, Some(1), "{foreign:?}");
    let applied = command("apply", &[id, "--yes", "--hash", hash]).await?;
    assert_eq!(applied.code, Some(0), "{applied:?}");
    let rows: Vec<Vec<&str>> =
        applied.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(
        rows.contains(&vec!["applied", "1"]) && rows.contains(&vec!["failed", "0"]),
        "{rows:?}"
    );

    let lines = format!("{{\"email\": \"{email}\", \"title\": \"Lighthouse keeper\"}}\n");
    let ndjson = file("people.ndjson", &lines)?;
    let again = command("plan", &[&ndjson, "--account", &account]).await?;
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(again.stderr.contains("as desired"), "{again:?}");
    let body = format!("{{\"users\": [{{\"email\": \"{email}\", \"title\": \"Other\"}}]}}");
    let in_json = file("people.json", &body)?;
    let guards = "{\"protected\": [\"nobody@example.com\"]}";
    let options = [&in_json, "--account", &account, "--guards", guards, "--json"];
    let shown = command("plan", &options).await?;
    assert_eq!(shown.code, Some(2), "{shown:?}");
    let shown: Value = serde_json::from_str(&shown.stdout)?;
    assert_eq!(text(&shown, "/steps/0/after/title")?, "Other");
    assert_eq!(text(&shown, "/guards/protected/0")?, "nobody@example.com");

    // Another plan was applied in between: a conflict is a failure.
    let body = format!("{{\"users\": [{{\"email\": \"{email}\", \"title\": \"Third\"}}]}}");
    let third = file("third.json", &body)?;
    let gateway = ["--url", &url, "--api-key", &key, "--account", &account];
    let in_terminal = [&["plan", &third][..], &gateway[..]].concat();
    let mut terminal = Program::start_in_terminal(&home, &in_terminal)?;
    assert_eq!(terminal.exit(super::START_TIMEOUT).await?.code(), Some(2));
    let screen = terminal.stdout()?;
    assert!(screen.contains("\u{1b}[33m") && screen.contains("switchboard apply "), "{screen}");
    let planned = command("plan", &[&third, "--account", &account]).await?;
    let words = planned.stderr.lines().find_map(|line| line.split_once("switchboard apply "));
    let third: Vec<&str> = words.context("no command")?.1.split(' ').collect();
    let applied = command("apply", &[third[0], "--yes", "--json"]).await?;
    assert_eq!(applied.code, Some(0), "{applied:?}");
    let ended: Value = serde_json::from_str(&applied.stdout)?;
    assert_eq!(text(&ended, "/status")?, "applied");
    let late = command("apply", &[&text(&shown, "/id")?, "--yes"]).await?;
    assert_eq!(late.code, Some(1), "{late:?}");
    assert!(
        late.stderr.contains("conflict: step 1, ") && late.stdout.contains("conflict          1"),
        "{late:?}"
    );

    let bad = file("bad.csv", "email,user_type\na@example.com,employee\n")?;
    let refused = command("plan", &[&bad, "--account", &account]).await?;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("row 2, user_type: unknown variant"), "{refused:?}");
    assert_eq!(demo.program.stop().await?.code(), Some(0));
    Ok(())
}

#[tokio::test]
async fn wrong_arguments_of_a_plan_do_not_look_like_changes() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    for (arguments, named) in [
        (&["plan"][..], "--account"),
        (&["plan", "x.csv", "--account", "acc_1", "--api-key", "k"], "--account"),
        (
            &["plan", "x", "--account", "acc_01J8ZQ5V9Y3M7T2K4N6P8R0S1T", "--api-key", "k"],
            "x is not readable",
        ),
    ] {
        let ended = run(&home, arguments).await?;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains(named), "{ended:?}");
    }
    Ok(())
}
