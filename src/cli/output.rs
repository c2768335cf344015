//! Standard output of commands.

use std::io::Write as _;

/// Writes a line to standard output.
///
/// # Errors
///
/// If the reader has closed the pipe.
pub(super) fn print_line(line: impl std::fmt::Display) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
