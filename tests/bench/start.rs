//! How fast a gateway starts, and what it holds while nobody calls.

use std::time::{Duration, Instant};

use super::fleet::Home;
use super::machine::memory_mb;
use super::table::Section;

/// Starts of which the middle one counts.
const STARTS: usize = 9;
/// After so long without a call it is idle.
const REST: Duration = Duration::from_secs(2);
const READY_MS: f64 = 200.0;
const IDLE_MB: f64 = 30.0;

/// Measures.
pub(crate) fn section(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Section> {
    let mut section = Section::new(
        "Start",
        format!(
            "`switchboard serve` against a migrated database that runs: from the start of the process until \
             `/readyz` answers 200, the middle one of {STARTS}; and its resident memory {} s later.",
            REST.as_secs()
        ),
        &["what", "measured", "budget"],
    );
    let home = runtime.block_on(Home::new("http://127.0.0.1:9", ""))?;
    let (mut times, mut idle) = (Vec::new(), 0.0);
    for _ in 0..STARTS {
        let began = Instant::now();
        let mut gateway = home.serve()?;
        gateway.ready("/readyz")?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
        if times.len() == STARTS {
            std::thread::sleep(REST);
            idle = memory_mb(gateway.pid())?;
        }
    }
    runtime.block_on(home.close());
    times.sort_by(f64::total_cmp);
    let ready = times.get(STARTS / 2).copied().unwrap_or_default();
    let word = section.judge(&format!("ready after {ready:.0} ms"), ready <= READY_MS);
    let row = ["ready".to_owned(), format!("{ready:.0} ms"), format!("≤ {READY_MS:.0} ms: {word}")];
    section.rows.push(row.into());
    let word = section.judge(&format!("idle at {idle:.0} MB"), idle <= IDLE_MB);
    let row = ["idle".to_owned(), format!("{idle:.0} MB"), format!("≤ {IDLE_MB:.0} MB: {word}")];
    section.rows.push(row.into());
    Ok(section)
}
