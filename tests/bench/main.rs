//! `make bench`: what Switchboard's parts achieve on this machine, against the budgets, as tables in
//! Markdown. A file each; a new measurement is a file and a line in [`PARTS`].
//!
//! Every figure is taken in one run on the same cores, so that they can be set against each other; the client
//! of raw speed is [`wrk`](https://github.com/wg/wrk). All traffic stays on this machine. With the name
//! of a part only that one is measured, and the report is printed and not written.

mod bulk;
mod crowd;
mod fleet;
mod hold;
mod listing;
mod load;
mod machine;
mod makespan;
mod memory;
mod nginx;
mod proxy;
mod sandbox;
mod soak;
mod start;
mod storm;
mod table;

use std::io::Write as _;

use tokio::runtime::Runtime;

use self::table::Section;

/// The program's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Where the report goes.
const REPORT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/BENCHMARKS.md");

type Part = (&'static str, fn(&Runtime) -> anyhow::Result<Section>);

/// What is measured, in the order of the report.
const PARTS: &[Part] = &[
    ("proxy", proxy::section),
    ("listing", listing::section),
    ("makespan", makespan::section),
    ("storm", storm::section),
    ("start", start::section),
    ("memory", memory::section),
    ("sandbox", sandbox::section),
    ("crowd", crowd::section),
    ("soak", soak::section),
    ("hold", hold::section),
];

/// What is done by its name alone: it takes long.
const BY_NAME: &[&str] = &["soak", "hold"];

fn main() -> anyhow::Result<()> {
    let only: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |name: &str| {
        only.iter().any(|only| only == name) || only.is_empty() && !BY_NAME.contains(&name)
    };
    let mut report = format!(
        "# Benchmarks\n\nWritten by `make bench`: {}. The load of the machine was {} when it began; run it on \
         one that does nothing else. What counts are the ratios of one run, of {}.\n",
        machine::description(),
        machine::load(),
        if fleet::is_named() {
            "the program of a release"
        } else {
            "a program that is slower than a release"
        },
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
