//! Load generator: `wrk` and the parser of its output.

use std::process::Command;

use anyhow::Context as _;

/// Target of a measurement.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub(crate) url: &'a str,
    pub(crate) token: &'a str,
    /// Connections kept open.
    pub(crate) connections: u32,
    pub(crate) seconds: u32,
}

/// Result of a measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measurement {
    /// Requests per second.
    pub(crate) rate: f64,
    /// Total number of requests.
    pub(crate) requests: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) errors: u64,
}

/// Sends requests as fast as the target responds.
pub(crate) fn measure(target: &Target<'_>) -> anyhow::Result<Measurement> {
    let bearer = format!("Authorization: Bearer {}", target.token);
    let (connections, seconds) = (target.connections.to_string(), target.seconds.to_string());
    let run = Command::new("wrk")
        .args(["--threads", "1", "--connections", &connections, "--duration", &seconds])
        .args(["--latency", "--header", &bearer, target.url])
        .output()
        .context("wrk can't be run; scripts/setup.sh bench installs it")?;
    let output = String::from_utf8_lossy(&run.stdout);
    anyhow::ensure!(run.status.success(), "wrk: {output}{}", String::from_utf8_lossy(&run.stderr));
    let after = |label: &str| {
        let mut lines = output.lines().map(str::trim);
        lines.find_map(|line| line.strip_prefix(label)).map(str::trim)
    };
    let missing = || format!("unexpected output of wrk:\n{output}");
    let total = output.lines().find(|line| line.contains(" requests in ")).with_context(missing)?;
    Ok(Measurement {
        rate: after("Requests/sec:").with_context(missing)?.parse()?,
        requests: total.split_whitespace().next().with_context(missing)?.parse()?,
        p50_ms: ms(after("50%").with_context(missing)?).with_context(missing)?,
        p99_ms: ms(after("99%").with_context(missing)?).with_context(missing)?,
        errors: after("Non-2xx or 3xx responses:").map_or(Ok(0), str::parse)?
            + after("Socket errors:").map_or(0, |_| 1),
    })
}

/// Parses a time of `wrk`; returns milliseconds.
fn ms(text: &str) -> Option<f64> {
    let units = [("us", 0.001), ("ms", 1.0), ("s", 1_000.0), ("m", 60_000.0)];
    let (unit, factor) = units.into_iter().find(|(unit, _)| text.ends_with(unit))?;
    Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * factor)
}
