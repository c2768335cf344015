//! The proxy against nginx that does no more than pass on with a fixed token, on the same cores in the
//! same run.

use anyhow::Context as _;
use switchboard::vault::IssuedSecret;
use tokio::runtime::Runtime;

use super::fleet::{Home, NO_LIMITS, Program};
use super::load::{Measured, Target, measure};
use super::machine::cpu_s;
use super::nginx::Nginx;
use super::table::Section;

/// How often all three are started: how fast a process is depends on where in memory it happens to be, too.
const STARTS: usize = 3;
/// In each round of a start the three take turns, and what counts is the middle one of all rounds' ratios: a machine
/// whose pace changes meanwhile meets all three.
const ROUNDS: usize = 7;
const SECONDS: u32 = 1;
const CONNECTIONS: [u32; 2] = [1, 32];
const DIRECT: &str = "direct";
const NGINX: &str = "nginx";
const SWITCHBOARD: &str = "Switchboard";
const NAMES: [&str; 3] = [DIRECT, NGINX, SWITCHBOARD];
const PATH: &str = "/api/users.info?user=U1";

/// Each budget, as a ratio against nginx.
const RATE: f64 = 0.8;
const P99: f64 = 1.5;
const CPU: f64 = 1.5;

/// The three ways to a provider, and the provider.
pub(super) struct Ways {
    provider: Nginx,
    nginx: Nginx,
    gateway: Program,
    home: Home,
    token: IssuedSecret,
}

/// One of the three.
pub(super) struct Way<'a> {
    pub(super) name: &'static str,
    pub(super) url: String,
    pub(super) token: &'a str,
    /// The process in between.
    pub(super) pid: Option<u32>,
}

impl Ways {
    /// Opens them.
    pub(super) fn open(runtime: &Runtime) -> anyhow::Result<Self> {
        let filler = "x".repeat(2_000);
        let body = format!(r#"{{"ok":true,"user":{{"id":"U1","about":"{filler}"}}}}"#);
        let provider = Nginx::answering(&body)?;
        let nginx = Nginx::passing_to(provider.port)?;
        let address = format!("http://127.0.0.1:{}", provider.port);
        let home =
            runtime.block_on(Home::new(&address, &format!("time_scale = {NO_LIMITS:.1}")))?;
        let made = runtime.block_on(home.accounts(1, "xoxp-fixed"))?;
        let (_, token) = made.into_iter().next().context("no account")?;
        let mut gateway = home.serve()?;
        gateway.ready("/readyz")?;
        Ok(Self { provider, nginx, gateway, home, token })
    }

    /// Each of them.
    pub(super) fn all(&self) -> impl Iterator<Item = Way<'_>> {
        let Self { provider, nginx, gateway, token, .. } = self;
        let at = |port: u16| format!("http://127.0.0.1:{port}{PATH}");
        let token = token.reveal();
        let url = format!("{}/proxy{PATH}", gateway.url());
        [
            Way { name: DIRECT, url: at(provider.port), token: "-", pid: None },
            Way { name: NGINX, url: at(nginx.port), token: "-", pid: Some(nginx.pid()) },
            Way { name: SWITCHBOARD, url, token, pid: Some(gateway.pid()) },
        ]
        .into_iter()
    }

    /// Closes them.
    pub(super) fn close(self, runtime: &Runtime) {
        drop(self.gateway);
        runtime.block_on(self.home.close());
    }
}

/// What one way did in one round.
#[derive(Clone, Copy)]
struct Seen {
    measured: Measured,
    cpu_us: f64,
}

/// The middle one of a figure's values.
fn middle(values: impl Iterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = values.collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

/// Measures.
pub(crate) fn section(runtime: &Runtime) -> anyhow::Result<Section> {
    let mut seen = CONNECTIONS.map(|_| NAMES.map(|_| Vec::new()));
    for _ in 0..STARTS {
        let opened = Ways::open(runtime)?;
        for (connections, seen) in CONNECTIONS.into_iter().zip(&mut seen) {
            compare(&opened, connections, seen)?;
        }
        opened.close(runtime);
    }
    let mut section = Section::new(
        "The proxy",
        format!(
            "A 2 KB answer of JSON, connections kept open, `wrk` with one thread; the provider is an nginx that \
             answers from memory. nginx has one worker and does no more than set a fixed token. All are started \
             {STARTS} times, for {ROUNDS} rounds of {SECONDS} s for each, in turns: each figure is the middle one of \
             all rounds, each ratio the middle one of the rounds' ratios. Processor time is that of the process in \
             between."
        ),
        &[
            "connections",
            "way",
            "requests a second",
            "p50 ms",
            "p99 ms",
            "CPU µs a request",
            "errors",
            "against nginx: rate ≥ 0.8, p99 ≤ 1.5, CPU ≤ 1.5",
        ],
    );
    for (connections, seen) in CONNECTIONS.into_iter().zip(&seen) {
        let [_, nginx, _] = seen;
        for (name, rounds) in NAMES.into_iter().zip(seen) {
            let figure = |of: fn(&Seen) -> f64| middle(rounds.iter().map(of));
            let errors: u64 = rounds.iter().map(|seen| seen.measured.errors).sum();
            let verdict = if name == SWITCHBOARD {
                let ratio = |of: fn(&Seen) -> f64| {
                    middle(rounds.iter().zip(nginx).map(|(ours, nginx)| of(ours) / of(nginx)))
                };
                let (rate, p99, cpu) = (ratio(rate), ratio(p99_ms), ratio(cpu_us));
                let keeps = rate >= RATE && p99 <= P99 && cpu <= CPU && errors == 0;
                let ratios = format!("{rate:.2}, {p99:.2}, {cpu:.2}");
                let word = section.judge(&format!("{connections} connections: {ratios}"), keeps);
                format!("{ratios}: {word}")
            } else {
                String::new()
            };
            section.rows.push(vec![
                connections.to_string(),
                name.to_owned(),
                format!("{:.0}", figure(rate)),
                format!("{:.3}", figure(|seen| seen.measured.p50_ms)),
                format!("{:.3}", figure(p99_ms)),
                if name == DIRECT { String::new() } else { format!("{:.1}", figure(cpu_us)) },
                errors.to_string(),
                verdict,
            ]);
        }
    }
    Ok(section)
}

fn rate(seen: &Seen) -> f64 {
    seen.measured.rate
}

fn p99_ms(seen: &Seen) -> f64 {
    seen.measured.p99_ms
}

fn cpu_us(seen: &Seen) -> f64 {
    seen.cpu_us
}

/// Adds what each way does in some rounds.
fn compare(opened: &Ways, connections: u32, seen: &mut [Vec<Seen>]) -> anyhow::Result<()> {
    for round in 0..=ROUNDS {
        for (way, seen) in opened.all().zip(&mut *seen) {
            let before = way.pid.map(cpu_s).transpose()?.unwrap_or_default();
            let Way { url, token, .. } = &way;
            let measured = measure(&Target { url, token, connections, seconds: SECONDS })?;
            let used = way.pid.map(cpu_s).transpose()?.unwrap_or_default() - before;
            // The first round warms up.
            if round > 0 {
                seen.push(Seen { measured, cpu_us: used * 1e6 / measured.requests });
            }
        }
    }
    Ok(())
}
