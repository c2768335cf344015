//! What the commands print for people and for pipes.

use std::io::Write as _;

/// Writes a line to standard output.
///
/// # Errors
///
/// When nobody reads it any more.
pub(super) fn say(line: impl std::fmt::Display) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
