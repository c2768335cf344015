//! `make bench`: performance of Switchboard's parts on this machine against the budgets, as tables in
//! Markdown. One file per measurement; a new measurement is a file and a line in [`PARTS`].
//!
//! All figures are taken in one run on the same cores, so that they can be compared; the load generator
//! is [`wrk`](https://github.com/wg/wrk). All traffic stays on this machine. With the name
//! of a part, only that part runs, and the report is printed and not written to the file.

mod access_review;
mod bulk;
mod console;
mod copy_page;
mod copy_rows;
mod copy_search;
mod event_feed;
mod first_sync;
mod fleet;
mod freshness;
mod hold;
mod idle_connections;
mod listing;
mod load;
mod machine;
mod makespan;
mod memory;
mod nginx;
mod percentiles;
mod person_names;
mod policies;
mod progress;
mod provider_lists;
mod proxy;
mod reading;
mod reconciliation;
mod sandbox;
mod scim_listing;
mod soak;
mod startup;
mod stored_events;
mod storm;
mod table;
mod title_changes;
mod webhook_sink;
mod webhooks;

use std::io::Write as _;

use tokio::runtime::Runtime;

use self::table::Section;

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Path of the report.
const REPORT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/BENCHMARKS.md");

type Part = (&'static str, fn(&Runtime) -> anyhow::Result<Section>);

/// All measurements, in the order of the report.
const PARTS: &[Part] = &[
    ("proxy", proxy::section),
    ("listing", listing::section),
    ("scim_listing", scim_listing::section),
    ("first_sync", first_sync::section),
    ("copy_search", copy_search::section),
    ("copy_page", copy_page::section),
    ("access_review", access_review::section),
    ("policies", policies::section),
    ("reconciliation", reconciliation::section),
    ("console", console::section),
    ("freshness", freshness::section),
    ("webhooks", webhooks::section),
    ("makespan", makespan::section),
    ("storm", storm::section),
    ("startup", startup::section),
    ("memory", memory::section),
    ("sandbox", sandbox::section),
    ("idle_connections", idle_connections::section),
    ("soak", soak::section),
    ("hold", hold::section),
];

/// Long measurements that run only by name.
const ONLY_BY_NAME: &[&str] = &["soak", "hold"];

fn main() -> anyhow::Result<()> {
    let only: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |name: &str| {
        only.iter().any(|only| only == name) || only.is_empty() && !ONLY_BY_NAME.contains(&name)
    };
    let mut report = format!(
        "# Benchmarks\n\nWritten by `make bench`: {}, with a load of {} at the start. Run it on an idle machine. \
         Only the ratios within one run are comparable; this one measured {}.\n",
        machine::description(),
        machine::load(),
        if fleet::is_named() { "a release build" } else { "a build that is slower than a release" },
    );
    let mut out = std::io::stdout().lock();
    writeln!(out, "{report}")?;
    let mut missed = Vec::new();
    for (_, part) in PARTS.iter().filter(|(name, _)| wanted(name)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let section = part(&runtime)?;
        writeln!(out, "{section}")?;
        report.push('\n');
        report.push_str(&section.to_string());
        missed.extend(section.missed);
    }
    if only.is_empty() {
        std::fs::write(REPORT, report)?;
    }
    for one in missed {
        writeln!(out, "missed: {one}")?;
    }
    Ok(())
}
