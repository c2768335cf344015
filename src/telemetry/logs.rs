//! Logs: how they are written. What may stand in them: ids, methods, statuses, durations. Never a
//! token, a code, a body, a query string, an e-mail address or a name.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Log, LogFormat};

/// Writes logs to standard error from here on. A second call changes nothing.
pub fn init(log: &Log) {
    let filter = EnvFilter::try_new(&log.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(true);
    // Colours are for a terminal; in a file they are noise that splits what one searches for.
    let layer = if std::io::stderr().is_terminal() { layer } else { layer.with_ansi(false) };
    let started = match log.format {
        LogFormat::Json => registry.with(layer.json()).try_init(),
        LogFormat::Pretty => registry.with(layer).try_init(),
    };
    if started.is_err() {
        tracing::debug!("logs are written already");
    }
}
