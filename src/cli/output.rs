//! Standard output and standard error of commands.

use std::fmt::Display;
use std::io::Write as _;

/// Writes a line to standard output.
///
/// # Errors
///
/// If the reader has closed the pipe.
pub(super) fn print_line(line: impl Display) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Writes a line to standard error.
pub(super) fn note(text: impl Display) {
    // A failure to write to standard error can't be reported.
    let _ = writeln!(std::io::stderr(), "{text}");
}
