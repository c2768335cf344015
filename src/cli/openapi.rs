//! `switchboard openapi`: prints the OpenAPI document.

use super::output::print_line;

/// Runs the command.
pub(super) fn run() -> anyhow::Result<()> {
    print_line(crate::http::document().to_pretty_json()?)?;
    Ok(())
}
