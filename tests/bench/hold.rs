//! The three targets of the proxy's measurement, kept running for a profiler. Runs only by name:
//! `SECONDS=600 cargo bench --bench bench -- hold`.

use std::io::Write as _;
use std::time::Duration;

use super::proxy::Targets;
use super::soak::seconds;
use super::table::Section;

/// Prints the addresses and waits.
pub(crate) fn section(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Section> {
    let targets = Targets::start(runtime)?;
    let mut section = Section::new(
        "Targets",
        format!("Running for {} s.", seconds()),
        &["target", "pid", "address", "token"],
    );
    section.rows.extend(targets.all().map(|target| {
        let pid = target.pid.map(|pid| pid.to_string()).unwrap_or_default();
        vec![target.name.to_owned(), pid, target.url, target.token.to_owned()]
    }));
    writeln!(std::io::stderr(), "{section}")?;
    std::thread::sleep(Duration::from_secs(seconds()));
    targets.stop(runtime);
    Ok(section)
}
