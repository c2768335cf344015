//! `switchboard demo --json`: ready soon, and gone without a trace.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::demo::Demo;
use super::home::Home;
use super::program::{Program, signal};
use super::{START, STOP, note, processes};

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
async fn the_settings_of_a_real_gateway_are_not_the_demos() -> anyhow::Result<()> {
    let home = Home::new()?;
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
async fn sigterm_leaves_nothing_of_the_demo() -> anyhow::Result<()> {
    leaves_nothing("TERM").await
}

#[tokio::test]
async fn ctrl_c_leaves_nothing_of_the_demo() -> anyhow::Result<()> {
    leaves_nothing("INT").await
}

async fn leaves_nothing(order: &str) -> anyhow::Result<()> {
    let home = Home::new()?;
    let mut demo = Demo::start(&home, &[]).await?;
    // The client keeps its connection open: the stop must not wait for it.
    demo.get("/users?limit=1").await?.ok()?;
    let expression = json!({"expression": "6 * 7"});
    let previewed = demo.post("/mappings/preview", &expression).await?.ok()?;
    assert_eq!(previewed.pointer("/result/value"), Some(&json!(42)));
    let pid = demo.program.pid();
    let family = processes::below(pid)?;
    assert!(family.iter().any(|one| one.title.contains("expression-worker")), "{family:#?}");
    let data_dir = format!("-D {}/", home.temporary().display());
    let server = family.iter().find(|process| process.title.contains("cluster_name=switchboard-"));
    assert!(server.is_some_and(|server| server.title.contains(&data_dir)), "{family:#?}");

    let ordered = Instant::now();
    signal(pid, order)?;
    let status = demo.program.exit(STOP).await?;
    processes::gone(&family, ordered + STOP).await?;
    let stopped_after = ordered.elapsed();
    assert_eq!(status.code(), Some(0), "{}", demo.program.stderr()?);
    assert_eq!(home.left_over()?, Vec::<std::path::PathBuf>::new());
    for url in [&demo.report.base_url, &demo.report.sandbox_url] {
        let address = url.trim_start_matches("http://");
        assert!(std::net::TcpStream::connect(address).is_err(), "{address} is still open");
    }
    note(format_args!("ready after {:?}, gone {stopped_after:?} after {order}", demo.ready_after))
}

#[tokio::test]
async fn the_report_is_one_line_of_json_and_all_of_standard_output() -> anyhow::Result<()> {
    let home = Home::new()?;
    let mut demo = Demo::start(&home, &[]).await?;
    assert!(demo.ready_after < START);
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
    assert_eq!(demo.program.stderr()?, "", "nothing went wrong, so nothing is said");
    Ok(())
}

#[tokio::test]
async fn stopped_while_it_starts_it_leaves_nothing() -> anyhow::Result<()> {
    for moment_ms in [5, 40, 120, 310, 590, 700, 950, 1010, 1190, 1220, 1250, 1290, 1400] {
        let home = Home::new()?;
        let mut program = Program::start(&home, &["demo", "--json", "--port", "0"], &[])?;
        tokio::time::sleep(Duration::from_millis(moment_ms)).await;
        signal(program.pid(), "TERM")?;
        let status = program.exit(START).await?;
        // Before the program has said how it takes signals, the system ends it.
        let is_in_order = status.code() == Some(0) || status.signal() == Some(SIGTERM);
        assert!(is_in_order, "after {moment_ms} ms: {status}\n{}", program.stderr()?);
        processes::none_about(&home.path().display().to_string()).await?;
        let left = home.left_over()?;
        assert!(left.is_empty(), "after {moment_ms} ms: {left:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_port_in_use_is_explained_and_leaves_nothing() -> anyhow::Result<()> {
    let home = Home::new()?;
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port().to_string();
    let ended = super::program::run(&home, &["demo", "--json", "--port", &port]).await?;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains(&port) && ended.stderr.contains("--port"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    assert!(home.left_over()?.is_empty());
    Ok(())
}
