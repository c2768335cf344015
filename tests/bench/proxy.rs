//! The proxy against nginx, which only forwards with a fixed token, on the same cores in the same run.

use anyhow::Context as _;
use switchboard::vault::IssuedSecret;
use tokio::runtime::Runtime;

use super::fleet::{Deployment, Program, UNLIMITED_TIME_SCALE};
use super::load::{Measurement, Target, measure};
use super::machine::cpu_s;
use super::nginx::Nginx;
use super::table::Section;

/// Starts of all three programs: the speed of a process depends on its layout in memory, too.
const STARTS: usize = 3;
/// Rounds per start. The three are measured in turn, and the median of the ratios of all rounds counts: a change of the
/// machine's speed affects all three.
const ROUNDS: usize = 7;
const SECONDS: u32 = 1;
const CONNECTIONS: [u32; 2] = [1, 32];
const DIRECT: &str = "direct";
const NGINX: &str = "nginx";
const SWITCHBOARD: &str = "Switchboard";
const NAMES: [&str; 3] = [DIRECT, NGINX, SWITCHBOARD];
const PATH: &str = "/api/users.info?user=U1";

/// Budgets, as ratios to nginx.
const MIN_RATE_RATIO: f64 = 0.8;
const MAX_P99_RATIO: f64 = 1.5;
const MAX_CPU_RATIO: f64 = 1.5;

/// The three targets and the provider.
pub(super) struct Targets {
    provider: Nginx,
    nginx: Nginx,
    gateway: Program,
    deployment: Deployment,
    token: IssuedSecret,
}

/// One target.
pub(super) struct ProxyTarget<'a> {
    pub(super) name: &'static str,
    pub(super) url: String,
    pub(super) token: &'a str,
    /// The process between client and provider.
    pub(super) pid: Option<u32>,
}

impl Targets {
    /// Starts them.
    pub(super) fn start(runtime: &Runtime) -> anyhow::Result<Self> {
        let filler = "x".repeat(2_000);
        let body = format!(r#"{{"ok":true,"user":{{"id":"U1","about":"{filler}"}}}}"#);
        let provider = Nginx::responding_with(&body)?;
        let nginx = Nginx::proxying_to(provider.port)?;
        let address = format!("http://127.0.0.1:{}", provider.port);
        let deployment = runtime.block_on(Deployment::new(
            &address,
            &format!("time_scale = {UNLIMITED_TIME_SCALE:.1}"),
        ))?;
        let created = runtime.block_on(deployment.accounts(1, "xoxp-fixed"))?;
        let (_, token) = created.into_iter().next().context("no account")?;
        let mut gateway = deployment.serve()?;
        gateway.ready("/readyz")?;
        Ok(Self { provider, nginx, gateway, deployment, token })
    }

    /// Returns each of them.
    pub(super) fn all(&self) -> impl Iterator<Item = ProxyTarget<'_>> {
        let Self { provider, nginx, gateway, token, .. } = self;
        let at = |port: u16| format!("http://127.0.0.1:{port}{PATH}");
        let token = token.reveal();
        let url = format!("{}/proxy{PATH}", gateway.url());
        [
            ProxyTarget { name: DIRECT, url: at(provider.port), token: "-", pid: None },
            ProxyTarget { name: NGINX, url: at(nginx.port), token: "-", pid: Some(nginx.pid()) },
            ProxyTarget { name: SWITCHBOARD, url, token, pid: Some(gateway.pid()) },
        ]
        .into_iter()
    }

    /// Stops them.
    pub(super) fn stop(self, runtime: &Runtime) {
        drop(self.gateway);
        runtime.block_on(self.deployment.close());
    }
}

/// Result of one target in one round.
#[derive(Clone, Copy)]
struct Round {
    measured: Measurement,
    cpu_us: f64,
}

/// Returns the median of a figure.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = values.collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

/// Runs the measurement.
pub(crate) fn section(runtime: &Runtime) -> anyhow::Result<Section> {
    let mut seen = CONNECTIONS.map(|_| NAMES.map(|_| Vec::new()));
    for _ in 0..STARTS {
        let targets = Targets::start(runtime)?;
        for (connections, seen) in CONNECTIONS.into_iter().zip(&mut seen) {
            compare(&targets, connections, seen)?;
        }
        targets.stop(runtime);
    }
    let mut section = Section::new(
        "Proxy",
        format!(
            "A JSON response of 2 KB, keep-alive connections, `wrk` with one thread; the provider is an nginx that \
             responds from memory. nginx has one worker and only sets a fixed token. All are started {STARTS} times \
             for {ROUNDS} alternating rounds of {SECONDS} s each: each figure is the median of all rounds, each \
             ratio the median of the rounds' ratios. Processor time is that of the process between client and \
             provider."
        ),
        &[
            "connections",
            "target",
            "requests/s",
            "p50 ms",
            "p99 ms",
            "CPU µs/request",
            "errors",
            "against nginx: rate ≥ 0.8, p99 ≤ 1.5, CPU ≤ 1.5",
        ],
    );
    for (connections, seen) in CONNECTIONS.into_iter().zip(&seen) {
        let [_, nginx, _] = seen;
        for (name, rounds) in NAMES.into_iter().zip(seen) {
            let figure = |of: fn(&Round) -> f64| median(rounds.iter().map(of));
            let errors: u64 = rounds.iter().map(|seen| seen.measured.errors).sum();
            let verdict = if name == SWITCHBOARD {
                let ratio = |of: fn(&Round) -> f64| {
                    median(rounds.iter().zip(nginx).map(|(ours, nginx)| of(ours) / of(nginx)))
                };
                let (rate, p99, cpu) = (ratio(rate), ratio(p99_ms), ratio(cpu_us));
                let is_met = rate >= MIN_RATE_RATIO
                    && p99 <= MAX_P99_RATIO
                    && cpu <= MAX_CPU_RATIO
                    && errors == 0;
                let ratios = format!("{rate:.2}, {p99:.2}, {cpu:.2}");
                let word = section.check(&format!("{connections} connections: {ratios}"), is_met);
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

fn rate(seen: &Round) -> f64 {
    seen.measured.rate
}

fn p99_ms(seen: &Round) -> f64 {
    seen.measured.p99_ms
}

fn cpu_us(seen: &Round) -> f64 {
    seen.cpu_us
}

/// Adds the results of some rounds.
fn compare(targets: &Targets, connections: u32, seen: &mut [Vec<Round>]) -> anyhow::Result<()> {
    for round in 0..=ROUNDS {
        for (target, seen) in targets.all().zip(&mut *seen) {
            let before = target.pid.map(cpu_s).transpose()?.unwrap_or_default();
            let ProxyTarget { url, token, .. } = &target;
            let measured = measure(&Target { url, token, connections, seconds: SECONDS })?;
            let used = target.pid.map(cpu_s).transpose()?.unwrap_or_default() - before;
            // The first round warms up.
            if round > 0 {
                seen.push(Round { measured, cpu_us: used * 1e6 / measured.requests });
            }
        }
    }
    Ok(())
}
