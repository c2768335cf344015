//! `kill -9`: whatever the program was doing, the next run recovers with the same data.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::demo::{Demo, DemoInfo};
use super::http_client::{Client, list};
use super::program::Program;
use super::test_dir::TestDir;

/// Checks that confirmed results of the first run hold in this one.
async fn check_confirmed_results(demo: &Demo, first: &DemoInfo) -> anyhow::Result<()> {
    let get = |path| demo.call(reqwest::Method::GET, path, &first.api_key, None);
    assert_eq!(demo.report.integrated_account_id, first.integrated_account_id);
    assert_eq!(demo.report.environment_id, first.environment_id);
    let users = get("/users?limit=5").await?.ok()?;
    assert_eq!(list(&users, "/result")?.len(), 5);
    let test = get("/proxy/api/auth.test").await?.ok()?;
    assert_eq!(test.get("ok"), Some(&Value::Bool(true)), "{test}");
    Ok(())
}

#[tokio::test]
async fn recovers_after_a_kill_under_traffic() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let mut demo = Demo::start_on_data(&home).await?;
    let first = demo.report.clone();
    for _ in 0..2 {
        let pid = demo.program.pid();
        // Some of these get a response, some are cut off; the kill comes when the first is through.
        let (through, mut arrived) = tokio::sync::mpsc::channel(64);
        let traffic = join_all((0..40).map(|number| {
            let through = through.clone();
            let demo = &demo;
            async move {
                let path = if number % 2 == 0 { "/users?limit=1" } else { "/proxy/api/auth.test" };
                let response = demo.get(path).await;
                let _ = through.try_send(());
                response
            }
        }));
        let kill = async {
            arrived.recv().await;
            super::program::signal(pid, "KILL")
        };
        let (responses, killed) = tokio::join!(traffic, kill);
        killed?;
        assert!(responses.iter().flatten().all(|response| response.status == 200), "{responses:?}");
        demo.program.exit(super::STOP_TIMEOUT).await?;
        demo = Demo::start_on_data(&home).await?;
        check_confirmed_results(&demo, &first).await?;
    }
    assert_eq!(demo.program.stop().await?.code(), Some(0));
    Ok(())
}

#[tokio::test]
async fn replays_a_stored_response_after_a_kill() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let mut demo = Demo::start_on_data(&home).await?;
    let first = demo.report.clone();
    let authorization = format!("Bearer {}", first.admin_key);
    let headers = [("authorization", authorization.as_str()), ("idempotency-key", "one")];
    let mapping = json!({"provider": "slack_enterprise", "resource": "users", "field": "once",
        "expression": "'one'"});
    let client = Client::new()?;
    let ask = async |demo: &Demo| {
        let url = format!("{}/mappings", demo.report.base_url);
        client.send(reqwest::Method::POST, &url, &headers, Some(&mapping)).await?.ok()
    };
    let token = ask(&demo).await?;
    demo.program.kill()?;
    demo.program.exit(super::STOP_TIMEOUT).await?;
    let mut demo = Demo::start_on_data(&home).await?;
    assert_eq!(ask(&demo).await?, token);
    assert_eq!(demo.program.stop().await?.code(), Some(0));
    Ok(())
}

#[tokio::test]
async fn keeps_the_grant_after_a_kill_during_a_refresh() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let mut demo = Demo::start_on_data(&home).await?;
    let first = demo.report.clone();
    for moment_ms in [2, 8, 15, 30] {
        demo.age_tokens().await?;
        let pid = demo.program.pid();
        let traffic = join_all((0..10).map(|_| demo.get("/proxy/api/auth.test")));
        let kill = async {
            tokio::time::sleep(Duration::from_millis(moment_ms)).await;
            super::program::signal(pid, "KILL")
        };
        let (_, killed) = tokio::join!(traffic, kill);
        killed?;
        demo.program.exit(super::STOP_TIMEOUT).await?;
        demo = Demo::start_on_data(&home).await?;
        check_confirmed_results(&demo, &first).await?;
    }
    Ok(())
}

#[tokio::test]
async fn starts_again_after_a_kill_at_any_moment_of_its_startup() -> anyhow::Result<()> {
    for moment_ms in [10, 60, 150, 300, 500, 750, 1000, 1300] {
        let home = TestDir::new()?;
        let data = home.data().display().to_string();
        let arguments = ["demo", "--json", "--port", "0", "--data-dir", &data];
        let mut program = Program::start(&home, &arguments, &[])?;
        tokio::time::sleep(Duration::from_millis(moment_ms)).await;
        program.kill()?;
        let mut demo = Demo::start_on_data(&home).await?;
        let first = demo.report.clone();
        check_confirmed_results(&demo, &first).await?;
        demo.program.kill()?;
        // Once more with complete data.
        let mut program = Program::start(&home, &arguments, &[])?;
        tokio::time::sleep(Duration::from_millis(moment_ms)).await;
        program.kill()?;
        let mut demo = Demo::start_on_data(&home).await?;
        check_confirmed_results(&demo, &first).await?;
        assert_eq!(demo.program.stop().await?.code(), Some(0));
    }
    Ok(())
}
