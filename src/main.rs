//! The program: reads the command line, runs the command, says what failed. As a worker for expressions it has no
//! runtime and no command line of its own.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use switchboard::cli::Cli;
use switchboard::expressions;

/// Many small pieces on several threads: faster than the system's, above all where that is musl's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let ended = if arguments.next().is_some_and(|first| first == expressions::WORKER_ARGUMENT) {
        expressions::serve(arguments).map_err(anyhow::Error::from)
    } else {
        run(Cli::parse())
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when even this fails.
            let _ = writeln!(std::io::stderr(), "switchboard: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(cli: Cli) -> anyhow::Result<()> {
    cli.run().await
}
