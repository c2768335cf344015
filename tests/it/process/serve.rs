//! `switchboard serve` with a separate database, and the commands beside it.

use std::time::Instant;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::http_client::{Client, HttpResponse, list};
use super::program::{Program, run, signal};
use super::test_dir::TestDir;
use super::{POLL_INTERVAL, START_TIMEOUT, processes};

/// Returns a new master key with its id, in the format of `vault.keys`.
pub(super) fn master_key(id: &str) -> String {
    format!("{id}:{}", STANDARD.encode(rand::random::<[u8; 32]>()))
}

/// Writes a settings file in the folder, with a new master key in `vault.key`.
pub(super) fn settings(home: &TestDir) -> anyhow::Result<String> {
    let keys_file = home.file("vault.key");
    std::fs::write(&keys_file, master_key("test"))?;
    let data = home.data();
    let (data, keys) = (data.display(), keys_file.display());
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n\n[database]\nembedded = true\ndata_dir = '{data}'\n\n\
         [vault]\nkeys_file = '{keys}'\n\n[log]\nformat = \"json\"\n"
    );
    let file = home.file("switchboard.toml");
    std::fs::write(&file, text)?;
    Ok(file.display().to_string())
}

/// Starts a gateway; returns it with the URL that it logs.
pub(super) async fn serve(home: &TestDir, config: &str) -> anyhow::Result<(Program, String)> {
    let mut gateway = Program::start(home, &["serve", "--config", config], &[])?;
    let address = |_: &str, err: &str| {
        err.lines().find_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            Some(line.pointer("/fields/public_url")?.as_str()?.trim_end_matches('/').to_owned())
        })
    };
    let url = gateway.wait_for_output(address, START_TIMEOUT).await?;
    Ok((gateway, url))
}

async fn accounts(client: &Client, url: &str, key: &str) -> anyhow::Result<HttpResponse> {
    let bearer = format!("Bearer {key}");
    let url = format!("{url}/integrated-accounts");
    client.send(Method::GET, &url, &[("authorization", &bearer)], None).await
}

/// Returns the output of `switchboard keys`.
pub(super) async fn keys(
    home: &TestDir,
    config: &str,
    arguments: &[&str],
) -> anyhow::Result<String> {
    let done = run(home, &[&["keys", "--config", config], arguments].concat()).await?;
    anyhow::ensure!(done.code == Some(0), "{done:?}");
    Ok(done.stdout.trim().to_owned())
}

#[tokio::test]
async fn keys_created_beside_a_running_gateway_work_until_they_are_revoked() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let config = settings(&home)?;
    let (mut gateway, url) = serve(&home, &config).await?;
    let client = Client::new()?;
    assert_eq!(client.get(&format!("{url}/readyz")).await?.status, 200);

    let key = keys(&home, &config, &["create"]).await?;
    assert!(key.starts_with("sb_live_") && key.lines().count() == 1, "{key}");
    let response = accounts(&client, &url, &key).await?.ok()?;
    assert!(list(&response, "/result")?.is_empty());

    let listed = keys(&home, &config, &["list"]).await?;
    assert!(listed.contains("valid") && !listed.contains(&key), "{listed}");
    let id = listed.split('\t').next().unwrap_or_default();
    keys(&home, &config, &["revoke", id]).await?;
    assert_eq!(accounts(&client, &url, &key).await?.status, 401);
    assert!(run(&home, &["keys", "--config", &config, "revoke", id]).await?.code == Some(1));

    assert_eq!(gateway.stop().await?.code(), Some(0), "{}", gateway.stderr()?);
    processes::wait_for_none_titled(&home.path().display().to_string()).await
}

#[tokio::test]
async fn metrics_have_a_separate_listener() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let config = settings(&home)?;
    let text = std::fs::read_to_string(&config)?;
    let text = text.replace("[server]\n", "[server]\nmetrics_listen = \"127.0.0.1:0\"\n");
    std::fs::write(&config, text)?;
    let (mut gateway, url) = serve(&home, &config).await?;
    let address = |_: &str, err: &str| {
        err.lines().find_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            Some(line.pointer("/fields/address")?.as_str()?.to_owned())
        })
    };
    let metrics = gateway.wait_for_output(address, START_TIMEOUT).await?;
    let client = Client::new()?;
    let shown = client.get(&format!("http://{metrics}/metrics")).await?;
    assert_eq!(shown.status, 200);
    assert_eq!(client.get(&format!("http://{metrics}/openapi.json")).await?.status, 404);
    assert_eq!(client.get(&format!("{url}/metrics")).await?.status, 404);
    assert_eq!(gateway.stop().await?.code(), Some(0), "{}", gateway.stderr()?);
    Ok(())
}

#[tokio::test]
async fn keys_created_before_the_gateway_starts_work() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let config = settings(&home)?;
    let key = keys(&home, &config, &["create", "--environment", "production"]).await?;
    processes::wait_for_none_titled(&home.path().display().to_string()).await?;
    let client = Client::new()?;
    for _ in 0..2 {
        let (mut gateway, url) = serve(&home, &config).await?;
        accounts(&client, &url, &key).await?.ok()?;
        assert_eq!(gateway.stop().await?.code(), Some(0), "{}", gateway.stderr()?);
    }
    Ok(())
}

#[tokio::test]
async fn rejects_a_second_gateway_on_the_same_data() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let config = settings(&home)?;
    let (gateway, url) = serve(&home, &config).await?;
    let second = run(&home, &["serve", "--config", &config]).await?;
    assert_eq!(second.code, Some(1));
    let holder = format!("process {}", gateway.pid());
    assert!(second.stderr.contains(&holder), "{}", second.stderr);
    assert_eq!(Client::new()?.get(&format!("{url}/readyz")).await?.status, 200);
    Ok(())
}

/// Sends a request on a keep-alive connection; returns the head of the response and the bytes that came with it.
pub(super) async fn request_again(stream: &mut TcpStream) -> anyhow::Result<String> {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await?;
    let mut bytes = vec![0; 4096];
    let length =
        tokio::time::timeout(START_TIMEOUT, stream.read(&mut bytes)).await.context("nothing")??;
    bytes.truncate(length);
    Ok(String::from_utf8(bytes)?)
}

#[tokio::test]
async fn serves_one_more_request_on_keep_alive_connections_at_shutdown() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let config = settings(&home)?;
    let text = std::fs::read_to_string(&config)?;
    std::fs::write(&config, text.replace("[server]\n", "[server]\nlinger_s = 9.0\n"))?;
    let (mut gateway, url) = serve(&home, &config).await?;
    let address = url.trim_start_matches("http://");
    let mut stored = TcpStream::connect(address).await?;
    let first = request_again(&mut stored).await?;
    assert!(first.starts_with("HTTP/1.1 200 ") && !first.contains("connection: close"), "{first}");
    signal(gateway.pid(), "TERM")?;
    let deadline = Instant::now() + START_TIMEOUT;
    while TcpStream::connect(address).await.is_ok() {
        anyhow::ensure!(Instant::now() < deadline, "it takes connections still");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    let last = request_again(&mut stored).await?;
    assert!(last.starts_with("HTTP/1.1 200 ") && last.contains("connection: close"), "{last}");
    assert_eq!(stored.read(&mut [0; 16]).await?, 0, "it is closed");
    assert_eq!(gateway.exit(START_TIMEOUT).await?.code(), Some(0), "{}", gateway.stderr()?);
    Ok(())
}
