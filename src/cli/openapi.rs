//! `switchboard openapi`: prints the document that `/openapi.json` serves.

use super::output::say;

/// Prints it.
pub(super) fn run() -> anyhow::Result<()> {
    say(crate::http::document().to_pretty_json()?)?;
    Ok(())
}
