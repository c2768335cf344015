//! The router as requests reach it that this program makes itself: operations of a batch, and objects read again.

use axum::Router;

/// Where operations go: the whole router, but for its own way to here.
#[derive(Debug, Clone)]
pub(in crate::http) struct Operations(pub(in crate::http) Router);
