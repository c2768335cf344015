//! A request with an idempotency key.

use std::sync::Arc;

use time::OffsetDateTime;

use super::resource_reader::ResourceReader;
use crate::domain::sealed::Digest;
use crate::http::request_context::RequestContext;
use crate::store::{Caller, IdempotencyKey, TenantDb};

/// A request with an idempotency key.
pub(super) struct KeyedRequest {
    pub(super) caller: Arc<Caller>,
    pub(super) db: TenantDb,
    pub(super) key: IdempotencyKey,
    pub(super) fingerprint: Digest,
    pub(super) request_id: String,
    pub(super) current: RequestContext,
    pub(super) now: OffsetDateTime,
    /// Whether its operations have idempotency keys of their own. An interrupted one is then resumed: each completed
    /// operation returns its stored response.
    pub(super) has_operations: bool,
    /// Reads the resource of a stored response again.
    pub(super) reread: ResourceReader,
}
