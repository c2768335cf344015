//! The entry point: parses the command line, runs the command and reports its error. As an expression worker it
//! starts no runtime.

use std::io::Write as _;
use std::process::ExitCode;

use switchboard::cli::Cli;
use switchboard::expressions;

/// Faster than the system's allocator for many small allocations on several threads, above all on musl.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let ended = if arguments.next().is_some_and(|first| first == expressions::WORKER_ARGUMENT) {
        expressions::serve(arguments).map(|()| ExitCode::SUCCESS).map_err(anyhow::Error::from)
    } else {
        match Cli::from_command_line() {
            Ok(cli) => run(cli),
            Err(code) => return code,
        }
    };
    match ended {
        Ok(code) => code,
        Err(error) => {
            // A failure to write to standard error can't be reported.
            let _ = writeln!(std::io::stderr(), "switchboard: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    cli.run().await
}
