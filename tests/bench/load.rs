//! The client of the measurements: `wrk`, and what it says.

use std::fmt;
use std::process::Command;

use anyhow::Context as _;

/// Connections that are kept open.
const CONNECTIONS: &str = "32";
/// How long a figure is taken.
const DURATION: &str = "5s";

/// What is measured.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub(crate) name: &'a str,
    pub(crate) url: String,
    pub(crate) token: &'a str,
    /// Requests a second that there should be.
    pub(crate) budget: u32,
}

/// A measurement, written as a row of the table.
#[derive(Debug)]
pub(crate) struct Row {
    name: String,
    rate: f64,
    budget: u32,
    p50: String,
    p99: String,
    errors: u64,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, rate, budget, p50, p99, errors } = self;
        write!(f, "| {name} | {rate:.0} | {budget} | {p50} | {p99} | {errors} |")
    }
}

/// Asks a target as fast as it answers.
pub(crate) fn measure(target: &Target<'_>) -> anyhow::Result<Row> {
    let bearer = format!("Authorization: Bearer {}", target.token);
    let ran = Command::new("wrk")
        .args(["--threads", "1", "--connections", CONNECTIONS, "--duration", DURATION])
        .args(["--latency", "--header", &bearer, &target.url])
        .output()
        .context("wrk can't be run; scripts/setup.sh bench installs it")?;
    let said = String::from_utf8_lossy(&ran.stdout);
    anyhow::ensure!(ran.status.success(), "wrk: {said}{}", String::from_utf8_lossy(&ran.stderr));
    let after = |label: &str| {
        let mut lines = said.lines().map(str::trim);
        lines.find_map(|line| line.strip_prefix(label)).map(str::trim)
    };
    let missing = || format!("wrk said something else than expected:\n{said}");
    let rate = after("Requests/sec:").with_context(missing)?.parse()?;
    let p50 = after("50%").with_context(missing)?.to_owned();
    let p99 = after("99%").with_context(missing)?.to_owned();
    let refused = after("Non-2xx or 3xx responses:").map_or(Ok(0), str::parse)?;
    let broken = after("Socket errors:").map_or(0, |_| 1);
    let name = target.name.to_owned();
    Ok(Row { name, rate, budget: target.budget, p50, p99, errors: refused + broken })
}
