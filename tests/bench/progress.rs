//! Progress of long measurements, on standard error: standard output has the report.

use std::io::Write as _;

/// Prints a line.
pub(crate) fn note(text: &str) {
    // Nobody reads it if it can't be printed.
    let _ = writeln!(std::io::stderr(), "bench: {text}");
}
