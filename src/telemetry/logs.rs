//! Configures the log output. Logs may hold ids, methods, statuses and durations; never a token, a code, a body, a
//! query string, an e-mail address or a name.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{LogFormat, LogSettings};

/// Installs the log subscriber, which writes to standard error. A second call has no effect.
pub fn init(log: &LogSettings) {
    let filter = EnvFilter::try_new(&log.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(true);
    // Colours are for a terminal; in a file, escape sequences split the text to search for.
    let layer = if std::io::stderr().is_terminal() { layer } else { layer.with_ansi(false) };
    let started = match log.format {
        LogFormat::Json => registry.with(layer.json()).try_init(),
        LogFormat::Pretty => registry.with(layer).try_init(),
    };
    if started.is_err() {
        tracing::debug!("the log subscriber is already installed");
    }
}
