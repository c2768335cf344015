//! A request of a signed-in browser.

use axum::response::{IntoResponse as _, Redirect, Response};
use serde_json::Value;

use super::view::View;
use crate::domain::ids::ConsoleSessionId;
use crate::domain::sealed::Digest;
use crate::http::state::AppState;
use crate::store::AttentionCounts;

/// A request of a signed-in browser.
pub(super) struct Console {
    /// The services.
    pub(super) state: AppState,
    /// What pages are made from.
    pub(super) view: View,
    /// The session's id.
    pub(super) session_id: ConsoleSessionId,
    /// The digest of the session's secret.
    pub(super) session_digest: Digest,
    /// The name of the session's key.
    pub(super) key_name: String,
    /// The name of the environment.
    pub(super) environment: String,
    /// The first accounts of the environment, for the switch.
    pub(super) accounts: Vec<Value>,
    /// What needs attention.
    pub(super) counts: AttentionCounts,
    /// The path of the request.
    pub(super) path: String,
}

impl Console {
    /// Returns the page of a redirect after a change; `done` is the key of the message.
    pub(super) fn done(&self, path: &str, done: &str) -> Response {
        Redirect::to(&self.view.href(path, &[("done", done)])).into_response()
    }
}
