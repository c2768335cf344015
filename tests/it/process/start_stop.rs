//! `switchboard demo --json`: starts fast and leaves nothing behind.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::demo::Demo;
use super::program::{Program, signal};
use super::test_dir::TestDir;
use super::{POLL_INTERVAL, START_TIMEOUT, STOP_TIMEOUT, note, processes};

const KEYS: [&str; 8] = [
    "base_url",
    "api_key",
    "admin_key",
    "environment_id",
    "integrated_account_id",
    "sandbox_url",
    "console_url",
    "link_url",
];

const SIGTERM: i32 = 15;

#[tokio::test]
async fn the_demo_ignores_the_settings_of_a_real_gateway() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let variables = [
        ("SWITCHBOARD__SERVER__PUBLIC_URL", "https://gateway.example"),
        ("SWITCHBOARD__SERVER__TLS_CERT_FILE", "certificate.pem"),
        ("SWITCHBOARD__SERVER__TLS_KEY_FILE", "key.pem"),
    ];
    let demo = Demo::start_with(&home, &[], &variables).await?;
    demo.get("/users?limit=1").await?.ok()?;
    Ok(())
}

#[tokio::test]
async fn sigterm_cleans_up_the_demo() -> anyhow::Result<()> {
    cleans_up("TERM").await
}

#[tokio::test]
async fn ctrl_c_cleans_up_the_demo() -> anyhow::Result<()> {
    cleans_up("INT").await
}

async fn cleans_up(order: &str) -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let mut demo = Demo::start(&home, &[]).await?;
    // The client keeps its connection open: the shutdown must not wait for it.
    demo.get("/users?limit=1").await?.ok()?;
    let expression = json!({"expression": "6 * 7"});
    let previewed = demo.post("/mappings/preview", &expression).await?.ok()?;
    assert_eq!(previewed.pointer("/result/value"), Some(&json!(42)));
    let pid = demo.program.pid();
    let family = processes::descendants(pid)?;
    assert!(family.iter().any(|one| one.title.contains("expression-worker")), "{family:#?}");
    let data_dir = format!("-D {}/", home.temporary().display());
    let server = family.iter().find(|process| process.title.contains("cluster_name=switchboard-"));
    assert!(server.is_some_and(|server| server.title.contains(&data_dir)), "{family:#?}");

    let ordered = Instant::now();
    signal(pid, order)?;
    let status = demo.program.exit(STOP_TIMEOUT).await?;
    processes::wait_for_end(&family, ordered + STOP_TIMEOUT).await?;
    let stopped_after = ordered.elapsed();
    assert_eq!(status.code(), Some(0), "{}", demo.program.stderr()?);
    assert_eq!(home.leftovers()?, Vec::<std::path::PathBuf>::new());
    for url in [&demo.report.base_url, &demo.report.sandbox_url] {
        let address = url.trim_start_matches("http://");
        assert!(std::net::TcpStream::connect(address).is_err(), "{address} is still open");
    }
    note(format_args!("ready after {:?}, gone {stopped_after:?} after {order}", demo.ready_after))
}

#[tokio::test]
async fn a_run_of_the_sync_does_not_delay_the_shutdown() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let mut demo = Demo::start(&home, &[]).await?;
    demo.synced().await?;
    let fault = json!({"method": "scim.groups.list", "kind": "latency", "count": 1, "seconds": 30});
    demo.sandbox_post("faults", &fault).await?;
    demo.post("/syncs", &json!({})).await?.ok()?;
    let deadline = Instant::now() + START_TIMEOUT;
    while demo.sandbox_get("faults").await? != json!({"faults": []}) {
        anyhow::ensure!(Instant::now() < deadline, "the run does not read groups");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    assert_eq!(demo.program.stop().await?.code(), Some(0));
    assert_eq!(demo.program.stderr()?, "", "nothing is logged without an error");
    assert!(home.leftovers()?.is_empty());
    Ok(())
}

#[tokio::test]
async fn standard_output_is_one_line_of_json() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let mut demo = Demo::start(&home, &[]).await?;
    assert!(demo.ready_after < START_TIMEOUT);
    demo.get("/users?limit=1").await?.ok()?;
    demo.program.stop().await?;

    let out = demo.program.stdout()?;
    assert_eq!(out.lines().count(), 1, "{out}");
    let report: Map<String, Value> = serde_json::from_str(&out)?;
    let keys: BTreeSet<_> = report.keys().map(String::as_str).collect();
    assert_eq!(keys, BTreeSet::from(KEYS));
    let report = &demo.report;
    assert!(report.base_url.starts_with("http://127.0.0.1:"), "{}", report.base_url);
    assert!(report.sandbox_url.starts_with("http://127.0.0.1:"), "{}", report.sandbox_url);
    assert_eq!(report.console_url, format!("{}/console", report.base_url));
    assert!(report.link_url.starts_with(&format!("{}/link/", report.base_url)));
    assert!(report.environment_id.starts_with("env_"), "{}", report.environment_id);
    assert!(report.integrated_account_id.starts_with("acc_"));
    assert_ne!(report.api_key, report.admin_key);
    assert_eq!(demo.program.stderr()?, "", "nothing is logged without an error");
    Ok(())
}

#[tokio::test]
async fn cleans_up_when_stopped_during_startup() -> anyhow::Result<()> {
    for moment_ms in [5, 40, 120, 310, 590, 700, 950, 1010, 1190, 1220, 1250, 1290, 1400] {
        let home = TestDir::new()?;
        let mut program = Program::start(&home, &["demo", "--json", "--port", "0"], &[])?;
        tokio::time::sleep(Duration::from_millis(moment_ms)).await;
        signal(program.pid(), "TERM")?;
        let status = program.exit(START_TIMEOUT).await?;
        // Until the program has installed its signal handlers, the system ends it.
        let is_in_order = status.code() == Some(0) || status.signal() == Some(SIGTERM);
        assert!(is_in_order, "after {moment_ms} ms: {status}\n{}", program.stderr()?);
        processes::wait_for_none_titled(&home.path().display().to_string()).await?;
        let left = home.leftovers()?;
        assert!(left.is_empty(), "after {moment_ms} ms: {left:?}");
    }
    Ok(())
}

#[tokio::test]
async fn explains_a_port_in_use_and_cleans_up() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port().to_string();
    let ended = super::program::run(&home, &["demo", "--json", "--port", &port]).await?;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains(&port) && ended.stderr.contains("--port"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    assert!(home.leftovers()?.is_empty());
    Ok(())
}
