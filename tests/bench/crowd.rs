//! Ten thousand callers that say nothing and some that say it slowly, while others work.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::fleet::{Fleet, Wish};
use super::load::{Measured, Target, measure};
use super::machine::memory_mb;
use super::table::Section;

/// Connections on which nothing is ever said.
const IDLE: usize = 9_500;
/// Connections on which a head comes, a byte a second.
const SLOW: usize = 500;
/// Of those that work.
const CONNECTIONS: u32 = 8;
const ALONE_S: u32 = 10;
const CROWDED_S: u32 = 55;

/// The work of the others, against what it was alone.
const RATE: f64 = 0.8;
/// What memory may grow by while the crowd is there, in megabytes.
const GROWTH_MB: f64 = 10.0;

/// Measures.
pub(crate) fn section(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Section> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    let wish = Wish { gateways: 1, users: 200, workspaces: 5, time_scale: None, redis: None };
    let fleet = runtime.block_on(Fleet::start(&wish))?;
    let gateway = fleet.gateways.first().context("no gateway")?;
    let url = format!("{}/proxy/api/auth.test", gateway.url());
    let token = runtime.block_on(fleet.account_token())?;
    let ask =
        |seconds| measure(&Target { url: &url, token: &token, connections: CONNECTIONS, seconds });
    let alone = ask(ALONE_S)?;
    let before = memory_mb(gateway.pid())?;
    let address: SocketAddr = gateway.url().trim_start_matches("http://").parse()?;
    let crowd = (0..IDLE + SLOW).map(|_| TcpStream::connect(address));
    let mut crowd = crowd.collect::<Result<Vec<_>, _>>()?;
    let slow = crowd.split_off(IDLE);
    let over = AtomicBool::new(false);
    let (crowded, first, last) = thread::scope(|scope| {
        scope.spawn(|| dribble(slow, &over));
        thread::sleep(Duration::from_secs(2));
        let first = memory_mb(gateway.pid());
        let crowded = ask(CROWDED_S);
        let last = memory_mb(gateway.pid());
        over.store(true, Ordering::Relaxed);
        (crowded, first, last)
    });
    let (crowded, first, last) = (crowded?, first?, last?);
    drop(crowd);
    runtime.block_on(fleet.stop());

    let mut section = Section::new(
        "A crowd",
        format!(
            "{CONNECTIONS} connections work through the proxy, first alone, then for {CROWDED_S} s beside {IDLE} that say \
             nothing and {SLOW} whose head comes a byte a second."
        ),
        &[
            "beside",
            "requests a second",
            "p50 ms",
            "p99 ms",
            "errors",
            "MB at the start",
            "MB at the end",
        ],
    );
    let row = |name: &str, seen: &Measured, from: f64, to: f64| {
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
    section.rows.push(row("nobody", &alone, before, before));
    section.rows.push(row("the crowd", &crowded, first, last));
    let keeps =
        crowded.rate >= RATE * alone.rate && last - first <= GROWTH_MB && crowded.errors == 0;
    let word = section.judge("slower, larger or with errors beside a crowd", keeps);
    let budget = format!("rate ≥ {RATE} of that alone, ≤ {GROWTH_MB} MB more: {word}");
    section.rows.push(vec!["budget".to_owned(), budget]);
    Ok(section)
}

/// Says a head so slowly that it never ends.
fn dribble(mut slow: Vec<TcpStream>, over: &AtomicBool) {
    for stream in &mut slow {
        // Who was sent away is no trouble any more.
        let _ = stream.write_all(b"GET /users HTTP/1.1\r\nHost: a\r\nX-Slow: ");
    }
    while !over.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_secs(1));
        for stream in &mut slow {
            let _ = stream.write_all(b"x");
        }
    }
}
