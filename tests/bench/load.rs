//! The client of the measurements: `wrk`, and what it says.

use std::process::Command;

use anyhow::Context as _;

/// What is measured.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub(crate) url: &'a str,
    pub(crate) token: &'a str,
    /// Connections that are kept open.
    pub(crate) connections: u32,
    pub(crate) seconds: u32,
}

/// A measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// Requests a second.
    pub(crate) rate: f64,
    /// Requests in all.
    pub(crate) requests: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) errors: u64,
}

/// Asks a target as fast as it answers.
pub(crate) fn measure(target: &Target<'_>) -> anyhow::Result<Measured> {
    let bearer = format!("Authorization: Bearer {}", target.token);
    let (connections, seconds) = (target.connections.to_string(), target.seconds.to_string());
    let ran = Command::new("wrk")
        .args(["--threads", "1", "--connections", &connections, "--duration", &seconds])
        .args(["--latency", "--header", &bearer, target.url])
        .output()
        .context("wrk can't be run; scripts/setup.sh bench installs it")?;
    let said = String::from_utf8_lossy(&ran.stdout);
    anyhow::ensure!(ran.status.success(), "wrk: {said}{}", String::from_utf8_lossy(&ran.stderr));
    let after = |label: &str| {
        let mut lines = said.lines().map(str::trim);
        lines.find_map(|line| line.strip_prefix(label)).map(str::trim)
    };
    let missing = || format!("wrk said something else than expected:\n{said}");
    let total = said.lines().find(|line| line.contains(" requests in ")).with_context(missing)?;
    Ok(Measured {
        rate: after("Requests/sec:").with_context(missing)?.parse()?,
        requests: total.split_whitespace().next().with_context(missing)?.parse()?,
        p50_ms: ms(after("50%").with_context(missing)?).with_context(missing)?,
        p99_ms: ms(after("99%").with_context(missing)?).with_context(missing)?,
        errors: after("Non-2xx or 3xx responses:").map_or(Ok(0), str::parse)?
            + after("Socket errors:").map_or(0, |_| 1),
    })
}

/// A time as `wrk` writes it, in milliseconds.
fn ms(text: &str) -> Option<f64> {
    let units = [("us", 0.001), ("ms", 1.0), ("s", 1_000.0), ("m", 60_000.0)];
    let (unit, factor) = units.into_iter().find(|(unit, _)| text.ends_with(unit))?;
    Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * factor)
}
