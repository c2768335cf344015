//! Live parts of pages: rendered again while something is under way, and sent as server-sent events when they differ.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use maud::Markup;
use tokio::time::Instant;

use super::format::Now;
use super::pages::{drift, reconciliation, sync, syncs};
use super::stream_slots::{StreamSlot, StreamSlots};
use super::view::{PageError, View};
use crate::domain::sealed::Digest;
use crate::http::state::AppState;

/// The pause between two renderings.
const INTERVAL: Duration = Duration::from_secs(1);
/// Renderings without a difference before a comment is sent, so that the connection stays open.
const QUIET_ROUNDS: u32 = 15;
/// How long a stream lasts; the browser then opens another one.
const MAX_LIFETIME: Duration = Duration::from_mins(5);

/// A part of a page.
#[derive(Debug, Clone)]
pub(in crate::http) enum LivePart {
    /// The violations of an account.
    Drift,
    /// The runs of an account.
    Syncs,
    /// One run.
    Sync(String),
    /// A plan, and what becomes of it.
    Reconciliation(String),
}

impl LivePart {
    async fn render(&self, view: &View) -> Result<Markup, PageError> {
        match self {
            Self::Drift => drift::fragment(view).await,
            Self::Syncs => syncs::fragment(view).await,
            Self::Sync(id) => sync::fragment(view, id).await,
            Self::Reconciliation(id) => reconciliation::fragment(view, id).await,
        }
    }
}

/// A session that a stream belongs to: it ends with the session.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) enum StreamSession {
    /// Of the console.
    Console(Digest),
    /// Of the hosted directory view.
    Portal(Digest),
}

impl StreamSession {
    fn digest(self) -> Digest {
        match self {
            Self::Console(digest) | Self::Portal(digest) => digest,
        }
    }

    async fn is_valid(self, state: &AppState) -> bool {
        let now = state.clock.now();
        match self {
            Self::Console(digest) => {
                matches!(state.store.console_session(&digest, now).await, Ok(Some(_)))
            }
            Self::Portal(digest) => {
                matches!(state.store.portal_session(&digest, now).await, Ok(Some(_)))
            }
        }
    }
}

/// A stream in progress.
struct LiveStream {
    state: AppState,
    view: View,
    part: LivePart,
    session: StreamSession,
    last: String,
    quiet_rounds: u32,
    ends_at: Instant,
    is_begun: bool,
    _slot: StreamSlot,
}

/// Returns the stream of a part of a page.
pub(in crate::http) fn respond(
    (state, view): (AppState, View),
    part: LivePart,
    session: StreamSession,
    slots: &StreamSlots,
) -> Response {
    let Some(slot) = slots.take(session.digest()) else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let first = LiveStream {
        state,
        view,
        part,
        session,
        last: String::new(),
        quiet_rounds: 0,
        ends_at: Instant::now() + MAX_LIFETIME,
        is_begun: false,
        _slot: slot,
    };
    let events = stream::unfold(first, |mut live| async move {
        let event = live.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(event)), live))
    });
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl LiveStream {
    /// Returns the next event; `None` at the end.
    async fn next(&mut self) -> Option<String> {
        loop {
            if self.is_begun {
                tokio::select! {
                    () = tokio::time::sleep(INTERVAL) => {}
                    () = self.state.stopping.cancelled() => return None,
                }
            }
            if Instant::now() >= self.ends_at || !self.session.is_valid(&self.state).await {
                return None;
            }
            self.view.now = Now(self.state.clock.now());
            let html = self.part.render(&self.view).await.ok()?.into_string();
            self.quiet_rounds += 1;
            if html != self.last || !self.is_begun {
                self.is_begun = true;
                self.quiet_rounds = 0;
                self.last.clone_from(&html);
                return Some(event(&html));
            }
            if self.quiet_rounds >= QUIET_ROUNDS {
                self.quiet_rounds = 0;
                return Some(":\n\n".to_owned());
            }
        }
    }
}

/// Returns a server-sent event with a text of any lines.
fn event(text: &str) -> String {
    let lines = text.split(['\r', '\n']);
    let mut event: String = lines.flat_map(|line| ["data: ", line, "\n"]).collect();
    event.push('\n');
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_end_its_event() {
        assert_eq!(event("a\n\nevent: x\rb"), "data: a\ndata: \ndata: event: x\ndata: b\n\n");
    }
}
