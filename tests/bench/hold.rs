//! The three ways of the proxy's measurement, kept open to be looked at with a profiler. Only by its name:
//! `SECONDS=600 cargo bench --bench bench -- hold`.

use std::io::Write as _;
use std::time::Duration;

use super::proxy::Ways;
use super::soak::seconds;
use super::table::Section;

/// Tells what is where, and stays.
pub(crate) fn section(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Section> {
    let ways = Ways::open(runtime)?;
    let mut section = Section::new(
        "Ways to the provider",
        format!("They stay for {} s.", seconds()),
        &["way", "pid", "address", "token"],
    );
    section.rows.extend(ways.all().map(|way| {
        let pid = way.pid.map(|pid| pid.to_string()).unwrap_or_default();
        vec![way.name.to_owned(), pid, way.url, way.token.to_owned()]
    }));
    writeln!(std::io::stderr(), "{section}")?;
    std::thread::sleep(Duration::from_secs(seconds()));
    ways.close(runtime);
    Ok(section)
}
