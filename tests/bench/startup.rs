//! Startup time of a gateway, and its memory while idle.

use std::time::{Duration, Instant};

use super::fleet::Deployment;
use super::machine::memory_mb;
use super::table::Section;

/// Starts, of which the median counts.
const STARTS: usize = 9;
/// Time without calls before the memory is read.
const IDLE_TIME: Duration = Duration::from_secs(2);
const MAX_READY_MS: f64 = 200.0;
const MAX_IDLE_MB: f64 = 30.0;

/// Runs the measurement.
pub(crate) fn section(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Section> {
    let mut section = Section::new(
        "Startup",
        format!(
            "`switchboard serve` with a running, migrated database: time from the start of the process until \
             `/readyz` returns 200, the median of {STARTS}; and its resident memory {} s later.",
            IDLE_TIME.as_secs()
        ),
        &["what", "measured", "budget"],
    );
    let deployment = runtime.block_on(Deployment::new("http://127.0.0.1:9", ""))?;
    let (mut times, mut idle) = (Vec::new(), 0.0);
    for _ in 0..STARTS {
        let began = Instant::now();
        let mut gateway = deployment.serve()?;
        gateway.ready("/readyz")?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
        if times.len() == STARTS {
            std::thread::sleep(IDLE_TIME);
            idle = memory_mb(gateway.pid())?;
        }
    }
    runtime.block_on(deployment.close());
    times.sort_by(f64::total_cmp);
    let ready = times.get(STARTS / 2).copied().unwrap_or_default();
    let word = section.check(&format!("ready after {ready:.0} ms"), ready <= MAX_READY_MS);
    let row =
        ["ready".to_owned(), format!("{ready:.0} ms"), format!("≤ {MAX_READY_MS:.0} ms: {word}")];
    section.rows.push(row.into());
    let word = section.check(&format!("idle at {idle:.0} MB"), idle <= MAX_IDLE_MB);
    let row =
        ["idle".to_owned(), format!("{idle:.0} MB"), format!("≤ {MAX_IDLE_MB:.0} MB: {word}")];
    section.rows.push(row.into());
    Ok(section)
}
