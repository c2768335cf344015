//! Ten thousand idle and slow connections beside callers that work.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::fleet::{Fleet, FleetOptions};
use super::load::{Measurement, Target, measure};
use super::machine::memory_mb;
use super::table::Section;

/// Connections that never send anything.
const IDLE_CONNECTIONS: usize = 9_500;
/// Connections that send a request head at one byte a second.
const SLOW_CONNECTIONS: usize = 500;
/// Connections of the callers that work.
const CONNECTIONS: u32 = 8;
const BASELINE_S: u32 = 10;
const LOADED_S: u32 = 55;

/// Minimum throughput beside them, as a share of the throughput alone.
const MIN_RATE: f64 = 0.8;
/// Maximum growth of memory while the connections are open, in megabytes.
const MAX_GROWTH_MB: f64 = 10.0;

/// Runs the measurement.
pub(crate) fn section(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Section> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    let fleet = runtime.block_on(Fleet::start(&FleetOptions::unlimited(200, 5)))?;
    let gateway = fleet.gateways.first().context("no gateway")?;
    let url = format!("{}/proxy/api/auth.test", gateway.url());
    let token = runtime.block_on(fleet.account_token())?;
    let measure_for =
        |seconds| measure(&Target { url: &url, token: &token, connections: CONNECTIONS, seconds });
    let alone = measure_for(BASELINE_S)?;
    let before = memory_mb(gateway.pid())?;
    let address: SocketAddr = gateway.url().trim_start_matches("http://").parse()?;
    let sockets = (0..IDLE_CONNECTIONS + SLOW_CONNECTIONS).map(|_| TcpStream::connect(address));
    let mut idle = sockets.collect::<Result<Vec<_>, _>>()?;
    let slow = idle.split_off(IDLE_CONNECTIONS);
    let over = AtomicBool::new(false);
    let (loaded, first, last) = thread::scope(|scope| {
        scope.spawn(|| send_slowly(slow, &over));
        thread::sleep(Duration::from_secs(2));
        let first = memory_mb(gateway.pid());
        let loaded = measure_for(LOADED_S);
        let last = memory_mb(gateway.pid());
        over.store(true, Ordering::Relaxed);
        (loaded, first, last)
    });
    let (loaded, first, last) = (loaded?, first?, last?);
    drop(idle);
    runtime.block_on(fleet.stop());

    let mut section = Section::new(
        "Idle and slow connections",
        format!(
            "Calls through the proxy on {CONNECTIONS} connections, first alone, then for {LOADED_S} s beside \
             {IDLE_CONNECTIONS} idle connections and {SLOW_CONNECTIONS} that send a request head at a byte a second."
        ),
        &["beside", "requests/s", "p50 ms", "p99 ms", "errors", "MB at the start", "MB at the end"],
    );
    let row = |name: &str, seen: &Measurement, from: f64, to: f64| {
        vec![
            name.to_owned(),
            format!("{:.0}", seen.rate),
            format!("{:.2}", seen.p50_ms),
            format!("{:.2}", seen.p99_ms),
            seen.errors.to_string(),
            format!("{from:.0}"),
            format!("{to:.0}"),
        ]
    };
    section.rows.push(row("none", &alone, before, before));
    section.rows.push(row("idle and slow", &loaded, first, last));
    let is_met =
        loaded.rate >= MIN_RATE * alone.rate && last - first <= MAX_GROWTH_MB && loaded.errors == 0;
    let word = section.check("slower, larger or with errors beside idle connections", is_met);
    let budget = format!("rate ≥ {MIN_RATE} of the baseline, growth ≤ {MAX_GROWTH_MB} MB: {word}");
    section.rows.push(vec!["budget".to_owned(), budget]);
    Ok(section)
}

/// Sends a request head so slowly that it never ends.
fn send_slowly(mut slow: Vec<TcpStream>, over: &AtomicBool) {
    for stream in &mut slow {
        // Connections that the gateway has closed no longer matter.
        let _ = stream.write_all(b"GET /users HTTP/1.1\r\nHost: a\r\nX-Slow: ");
    }
    while !over.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_secs(1));
        for stream in &mut slow {
            let _ = stream.write_all(b"x");
        }
    }
}
