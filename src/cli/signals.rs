//! Shutdown signals: SIGINT (Ctrl-C) and SIGTERM.

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Returns a token that is cancelled by the first shutdown signal after this call.
///
/// # Errors
///
/// If the signal handlers cannot be installed.
pub(super) fn shutdown_signal() -> anyhow::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate()).context("no handler for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("no handler for SIGINT")?;
    let token = CancellationToken::new();
    let order = token.clone();
    #[expect(clippy::disallowed_methods, reason = "it runs as long as the program")]
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        order.cancel();
    });
    Ok(token)
}
