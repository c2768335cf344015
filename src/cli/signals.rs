//! The orders to stop: Ctrl-C and SIGTERM.

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled by the first order to stop. From this call on, none is lost.
///
/// # Errors
///
/// When the system gives no signals.
pub(super) fn stop_order() -> anyhow::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM can't be awaited")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT can't be awaited")?;
    let token = CancellationToken::new();
    let order = token.clone();
    #[expect(
        clippy::disallowed_methods,
        reason = "it lives as long as the program, nobody waits for it"
    )]
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        order.cancel();
    });
    Ok(token)
}
