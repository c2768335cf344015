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

/// Writes a line to standard error, without control characters of a provider or a file, which a terminal would obey.
pub(super) fn note(text: impl Display) {
    let is_shown = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    let text: String = text.to_string().chars().filter(is_shown).collect();
    // A failure to write to standard error can't be reported.
    let _ = writeln!(std::io::stderr(), "{text}");
}
