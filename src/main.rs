//! The program: reads the command line, runs the command, says what failed.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use switchboard::cli::Cli;

/// Many small pieces on several threads: faster than the system's, above all where that is musl's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when even this fails.
            let _ = writeln!(std::io::stderr(), "switchboard: {error:#}");
            ExitCode::FAILURE
        }
    }
}
