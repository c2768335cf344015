//! `make bench`: what Switchboard's parts achieve on this machine, as a table in Markdown.
//!
//! Every figure is taken in one run on the same cores, with [`wrk`](https://github.com/wg/wrk) as
//! the client, so that they can be set against each other. All traffic stays on this machine.

mod load;
mod sandbox;

use std::io::Write as _;

fn main() -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "| what | requests a second | budget | p50 | p99 | errors |")?;
    writeln!(out, "| --- | ---: | ---: | ---: | ---: | ---: |")?;
    for row in sandbox::rows()? {
        writeln!(out, "{row}")?;
    }
    Ok(())
}
