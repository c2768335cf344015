//! The commands of `docs/sandbox.md` work as printed.

use std::process::Command;

use axum::Router;
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use super::super::note;
use super::super::test_dir::TestDir;
use super::sandbox::Sandbox;
use super::succeed;

const PAGE: &str = include_str!("../../../../docs/sandbox.md");

/// Starts a server that returns each request's body, and so the challenge of a subscription; returns its URL.
async fn receiver() -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/slack", listener.local_addr()?);
    let echo = Router::new().fallback(async |body: Bytes| body);
    TaskTracker::new().spawn(axum::serve(listener, echo).into_future());
    Ok(url)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_of_the_sandboxs_page_work() -> anyhow::Result<()> {
    if succeed(Command::new("curl").arg("--version")).is_err() {
        return note(format_args!("skipped: there is no curl to run the documented commands with"));
    }
    let home = TestDir::new()?;
    let sandbox = Sandbox::start(&home).await?;
    let receiver = receiver().await?;
    let lines: Vec<_> = PAGE.lines().filter(|line| line.starts_with("curl ")).collect();
    assert!(lines.len() >= 10, "{lines:?}");
    for line in lines {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).env("NO_PROXY", "127.0.0.1");
        shell.env("SANDBOX", &sandbox.base_url).env("RECEIVER", &receiver);
        let ran = succeed(&mut shell).map_err(|reason| anyhow::anyhow!("{line}: {reason}"))?;
        serde_json::from_slice::<serde_json::Value>(&ran.stdout)?;
    }
    Ok(())
}
