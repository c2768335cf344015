//! `switchboard events`: prints the event feed of a running gateway as NDJSON, and follows it.

use std::io::{self, ErrorKind, Write as _};
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::gateway_client::{GatewayArguments, GatewayClient, GatewayError};
use super::output::note;
use super::signals::shutdown_signal;
use crate::domain::event::EventKind;
use crate::domain::ids::IntegratedAccountId;
use crate::domain::page::MAX_LIMIT;

/// The pause after a page without events.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// The longest pause after failed requests.
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// The arguments of `events`.
#[derive(Debug, Args)]
pub(super) struct EventsArguments {
    #[command(flatten)]
    gateway: GatewayArguments,
    /// Wait for new events until Ctrl-C, also while the gateway restarts
    #[arg(long)]
    follow: bool,
    /// Account id, acc_… (default: all accounts of the environment)
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<IntegratedAccountId>,
    /// Type of the events, such as user.updated (default: all types)
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<EventKind>,
    /// Cursor that an earlier run printed: start after its events (default: at the oldest event)
    #[arg(long, value_name = "CURSOR", allow_hyphen_values = true)]
    after: Option<String>,
    /// Maximum number of events (default: no limit)
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
}

/// Runs the command.
pub(super) async fn run(arguments: EventsArguments) -> anyhow::Result<()> {
    let stop = shutdown_signal()?;
    let mut reader = EventReader {
        client: arguments.gateway.client()?,
        account: arguments.account.map(IntegratedAccountId::text),
        kind: arguments.kind,
        cursor: arguments.after,
        remaining: arguments.limit,
    };
    let read = tokio::select! {
        () = stop.cancelled() => Ok(()),
        read = reader.print_all(arguments.follow) => read,
    };
    match &read {
        Err(error) if is_broken_pipe(error) => return Ok(()),
        Err(error) if is_expired(error) => {
            bail!("{error:#}; run the command again without --after")
        }
        Ok(()) | Err(_) => {}
    }
    if let Some(cursor) = &reader.cursor {
        note(format_args!("continue with: --after {cursor}"));
    }
    read
}

/// Whether the reader of standard output has ended.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// Whether events after the cursor were deleted.
fn is_expired(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<GatewayError>();
    error.is_some_and(|error| error.status() == Some(StatusCode::GONE))
}

/// A page of events, each as the gateway wrote it.
#[derive(Debug, Deserialize)]
struct EventPage {
    result: Vec<Box<RawValue>>,
    next_cursor: Option<String>,
}

/// Reads the feed.
#[derive(Debug)]
struct EventReader {
    client: GatewayClient,
    account: Option<String>,
    kind: Option<EventKind>,
    /// The cursor of the last event that was printed.
    cursor: Option<String>,
    /// How many more events may be printed; `None` for any number.
    remaining: Option<u64>,
}

impl EventReader {
    /// Prints events to the end of the feed, or forever.
    async fn print_all(&mut self, is_following: bool) -> anyhow::Result<()> {
        let mut failures = 0;
        loop {
            let page = match self.next_page().await {
                Ok(page) => page,
                Err(error) if is_following && error.is_transient() => {
                    let pause = backoff(failures, error.retry_after());
                    if failures == 0 {
                        note(format_args!("{:#}; retrying", anyhow::Error::new(error)));
                    }
                    failures += 1;
                    tokio::time::sleep(pause).await;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            failures = 0;
            print(&page.result)?;
            let printed = u64::try_from(page.result.len()).unwrap_or(u64::MAX);
            self.remaining = self.remaining.map(|count| count.saturating_sub(printed));
            if let Some(cursor) = page.next_cursor {
                self.cursor = Some(cursor);
            }
            if self.remaining == Some(0) {
                return Ok(());
            }
            if page.result.is_empty() {
                if !is_following {
                    return Ok(());
                }
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        }
    }

    async fn next_page(&self) -> Result<EventPage, GatewayError> {
        let most = u64::from(MAX_LIMIT);
        let limit = self.remaining.map_or(most, |count| count.min(most)).to_string();
        let mut query = vec![("limit", limit.as_str())];
        let filters = [
            ("integrated_account_id", self.account.as_deref()),
            ("type", self.kind.map(EventKind::name)),
            ("next_cursor", self.cursor.as_deref()),
        ];
        query.extend(filters.into_iter().filter_map(|(name, value)| Some((name, value?))));
        self.client.fetch(Method::GET, "/events", &query, None).await
    }
}

/// Writes events to standard output, one on each line.
fn print(events: &[Box<RawValue>]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for event in events {
        writeln!(out, "{}", event.get())?;
    }
    out.flush()
}

/// Returns the pause after so many failures before this one.
fn backoff(failures: u32, retry_after: Option<Duration>) -> Duration {
    let doubled = POLL_INTERVAL.saturating_mul(2_u32.saturating_pow(failures));
    doubled.max(retry_after.unwrap_or_default()).min(MAX_BACKOFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_maximum() {
        let pauses = (0..7).map(|failures| backoff(failures, None).as_secs());
        assert_eq!(pauses.collect::<Vec<_>>(), [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(backoff(u32::MAX, None), MAX_BACKOFF);
        assert_eq!(backoff(0, Some(Duration::from_secs(5))), Duration::from_secs(5));
        assert_eq!(backoff(0, Some(Duration::from_hours(1))), MAX_BACKOFF);
    }

    #[test]
    fn events_are_printed_as_the_gateway_wrote_them() {
        let body = r#"{"result":[{"id":"evt_1","object":{"a":1.50,"b":null}}],"next_cursor":"c"}"#;
        let page: EventPage = serde_json::from_str(body).unwrap();
        assert_eq!(page.result[0].get(), r#"{"id":"evt_1","object":{"a":1.50,"b":null}}"#);
        assert_eq!(page.next_cursor.as_deref(), Some("c"));
    }
}
