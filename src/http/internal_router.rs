//! The router for the gateway's internal requests: batch operations, and reads after a replay.

use axum::Router;

/// The router that internal requests are sent to: every route, without this extension.
#[derive(Debug, Clone)]
pub(in crate::http) struct InternalRouter(pub(in crate::http) Router);
