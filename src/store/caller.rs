//! The caller behind an API key or an account token, as it is cached.

use std::sync::Arc;

use time::OffsetDateTime;

use super::key_last_used::LastSeen;
use crate::domain::access::Scope;
use crate::domain::allowed_methods::AllowedMethods;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::networks::Networks;

/// The authenticated caller of a request. Many are cached, so rarely used fields are boxed.
#[derive(Debug)]
pub struct Caller {
    /// Its environment.
    pub environment_id: EnvironmentId,
    /// Id of the API key or account token, for the audit log.
    pub key_id: Box<str>,
    /// Its scopes.
    pub scopes: Box<[Scope]>,
    /// Provider methods it may call through the proxy; `None` for all.
    pub allowed_methods: Option<Box<AllowedMethods>>,
    /// Allowed client addresses; `None` for all.
    pub allowed_addresses: Option<Box<Networks>>,
    /// The account that an account token is bound to; `None` for an API key.
    pub account_id: Option<IntegratedAccountId>,
    /// When the key expires; objects that it creates expire no later.
    pub expires_at: Option<Box<OffsetDateTime>>,
    pub(super) last_seen: LastSeen,
}

/// A key that is not revoked, as cached.
#[derive(Debug, Clone)]
pub(super) struct CachedKey {
    pub(super) caller: Arc<Caller>,
    pub(super) expires_at: Option<OffsetDateTime>,
}

impl CachedKey {
    /// Returns its caller unless it is expired: expiry sends no notification.
    pub(super) fn caller_at(self, now: OffsetDateTime) -> Option<Arc<Caller>> {
        self.expires_at.is_none_or(|end| end > now).then_some(self.caller)
    }
}
