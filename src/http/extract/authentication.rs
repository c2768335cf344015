//! Authenticates the caller and checks that its key has the scope that the handler's signature names.

use std::marker::PhantomData;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use time::OffsetDateTime;

use super::client_ip::client_ip;
use crate::admin::Administrator;
use crate::domain::access::{KeyKind, Scope};
use crate::domain::ids::IntegratedAccountId;
use crate::domain::networks::Networks;
use crate::domain::sealed::Digest;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::request_context::RequestContext;
use crate::http::state::{AppState, Services};
use crate::limit::{FailureThrottle, source_network};
use crate::store::{AuditEntry, Caller, TenantDb, UsageContext, UsageSource};

/// A scope as a type, for handler signatures.
pub(in crate::http) trait RequiredScope: Send + Sync + 'static {
    /// The scope.
    const SCOPE: Scope;
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub(in crate::http) struct $name;

        impl RequiredScope for $name {
            const SCOPE: Scope = Scope::$name;
        }
    )*};
}

permissions! {
    /// The scope `read`.
    Read;
    /// The scope `write`.
    Write;
    /// The scope `proxy`.
    Proxy;
    /// The scope `admin`.
    Admin;
}

/// A caller with the scope `P`, and the rows of its environment.
#[derive(Debug)]
pub(in crate::http) struct Access<P> {
    /// The caller.
    pub(in crate::http) caller: Arc<Caller>,
    /// The rows of the caller's environment.
    pub(in crate::http) db: TenantDb,
    request: RequestContext,
    permission: PhantomData<P>,
}

impl<P> Access<P> {
    /// Returns the request's id.
    pub(in crate::http) fn request_id(&self) -> &str {
        self.request.id()
    }

    /// Returns the request's context.
    pub(in crate::http) fn request(&self) -> &RequestContext {
        &self.request
    }

    /// Fails for an account token where the response concerns more than its account.
    pub(in crate::http) fn reject_account_token(&self, what: &str) -> Result<(), Problem> {
        if self.caller.account_id.is_none() {
            return Ok(());
        }
        let detail = format!(
            "An account token gives access to its own account only, not to {what}. Use an API key."
        );
        Err(Problem::new(ProblemKind::InsufficientScope, detail))
    }

    /// Returns this caller as the administrator of its environment.
    pub(in crate::http) fn administrator<'a>(
        &'a self,
        services: &'a Services,
    ) -> Administrator<'a> {
        Administrator {
            db: &self.db,
            actor: &self.caller.key_id,
            request_id: Some(self.request.id()),
            clock: &*services.clock,
            entropy: &*services.entropy,
        }
    }

    /// Returns an audit entry with this caller as the actor.
    pub(in crate::http) fn audit_entry<'e>(
        &'e self,
        services: &Services,
        action: &'e str,
        (account_id, subject): (Option<IntegratedAccountId>, Option<&'e str>),
    ) -> AuditEntry<'e> {
        let (actor, request_id) = (&*self.caller.key_id, Some(self.request.id()));
        let new = AuditEntry::new(action, actor, &*services.clock, &*services.entropy);
        AuditEntry { account_id, subject, request_id, ..new }
    }

    /// Returns the usage context for calls with an account's token.
    pub(in crate::http) fn usage_context<'a>(
        &'a self,
        services: &'a Services,
        action: &'static str,
        account_id: IntegratedAccountId,
    ) -> UsageContext<'a> {
        UsageContext {
            log: &services.uses,
            source: UsageSource {
                environment_id: self.caller.environment_id,
                actor: &self.caller.key_id,
                action,
                account_id,
                request_id: Some(self.request.id()),
            },
        }
    }
}

impl<P: RequiredScope> Access<P> {
    /// Authenticates the caller and checks the scope.
    ///
    /// # Errors
    ///
    /// `unauthorized`, or `insufficient_scope` if the key does not have the scope `P`.
    pub(in crate::http) async fn authorize(
        headers: &HeaderMap,
        state: &AppState,
        request: RequestContext,
    ) -> Result<Self, Problem> {
        let caller = authenticate(headers, state, &request).await?;
        if !caller.scopes.contains(&P::SCOPE) {
            return Err(Problem::new(
                ProblemKind::InsufficientScope,
                format!("This request requires the scope `{}`.", P::SCOPE),
            ));
        }
        let db = state.store.tenant(caller.environment_id);
        Ok(Self { caller, db, request, permission: PhantomData })
    }
}

impl<P: RequiredScope> FromRequestParts<AppState> for Access<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        Self::authorize(&parts.headers, state, RequestContext::of(&parts.extensions)).await
    }
}

/// Authenticates the caller, once in a request: the context stores the result.
pub(in crate::http) async fn authenticate(
    headers: &HeaderMap,
    state: &AppState,
    request: &RequestContext,
) -> Result<Arc<Caller>, Problem> {
    if let Some(proven) = request.caller() {
        return Ok(Arc::clone(proven));
    }
    let caller = authenticate_header(ClientSource::of(headers, state, request)).await?;
    set_caller(&caller, state, request)?;
    Ok(caller)
}

/// Stores the caller in the context, if the environment has a request slot left.
fn set_caller(
    caller: &Arc<Caller>,
    state: &AppState,
    request: &RequestContext,
) -> Result<(), Problem> {
    if request.set_caller(caller, &state.places) {
        return Ok(());
    }
    state.metrics.record_quota_rejection("requests");
    let detail =
        "The environment has reached its share of concurrent requests (`quotas.request_share`).";
    Err(Problem::new(ProblemKind::EnvironmentOverloaded, detail)
        .with_retry_after(Duration::from_secs(1)))
}

const TOO_MANY_UNKNOWN_KEYS: &str = "Too many unknown keys were sent from this address, so this one was \
    not checked. Retry after `Retry-After` seconds.";
const TOO_MANY_USES_OF_INVALID_KEY: &str =
    "This key is expired or revoked and has been used too often since. Send a valid key.";

/// Fails while the throttle asks the caller to wait.
fn check_throttle(wait: Duration, why: &'static str) -> Result<(), Problem> {
    if wait.is_zero() {
        return Ok(());
    }
    Err(Problem::new(ProblemKind::TooManyWrongKeys, why).with_retry_after(wait))
}

/// The client that sent a request, identified by its address.
#[derive(Clone, Copy)]
pub(in crate::http) struct ClientSource<'a> {
    request: &'a RequestContext,
    headers: &'a HeaderMap,
    state: &'a AppState,
}

impl<'a> ClientSource<'a> {
    /// Returns the client of this request.
    pub(in crate::http) fn of(
        headers: &'a HeaderMap,
        state: &'a AppState,
        request: &'a RequestContext,
    ) -> Self {
        Self { request, headers, state }
    }

    /// Checks the client address against the key's allowed networks.
    pub(in crate::http) fn check_networks(self, allowed: &Networks) -> Result<(), Problem> {
        let detail =
            match client_ip(self.request.peer(), self.headers, &self.state.trusted_proxies) {
                Some(address) if allowed.contains(address) => return Ok(()),
                Some(address) => format!("The key must not be used from {address}."),
                None => "The key is restricted to addresses, and the client address is unknown."
                    .to_owned(),
            };
        Err(Problem::new(ProblemKind::AddressNotAllowed, detail))
    }

    /// Returns the client address, or that of the connection if proxies sent an unreadable one.
    fn client_address(self) -> Option<IpAddr> {
        let peer = self.request.peer();
        let forwarded = client_ip(peer, self.headers, &self.state.trusted_proxies);
        forwarded.or_else(|| Some(peer?.ip().to_canonical()))
    }

    /// Fails if the client address has failed too often, according to this throttle.
    pub(in crate::http) fn throttle(
        self,
        throttle: &FailureThrottle<IpAddr>,
        why: &'static str,
    ) -> Result<(), Problem> {
        let wait = |source| throttle.retry_after(&source_network(source));
        check_throttle(self.client_address().map_or(Duration::ZERO, wait), why)
    }

    /// Looks up a key in the database. Failures of keys issued here count for that key alone: clients behind one
    /// address, such as a proxy's, cannot lock each other out with invented keys.
    async fn look_up(
        self,
        kind: KeyKind,
        key: &str,
        digest: &Digest,
        now: OffsetDateTime,
    ) -> Result<Option<Arc<Caller>>, Problem> {
        let Self { state, .. } = self;
        let issued_here = state.keys.has_valid_mac(kind, key);
        if issued_here {
            check_throttle(
                state.invalid_key_throttle.retry_after(digest),
                TOO_MANY_USES_OF_INVALID_KEY,
            )?;
        } else if !state.store.is_cached(digest) {
            self.throttle(&state.failed_auth_throttle, TOO_MANY_UNKNOWN_KEYS)?;
        }
        let caller = state.store.caller(kind, digest, now).await?;
        if caller.is_none() && issued_here {
            state.invalid_key_throttle.record_failure(digest);
            // The key is still in use: record it for its environment.
            if let Some((environment_id, key_id)) = state.store.inactive_key(kind, digest).await? {
                self.request.set_rejected_key(environment_id, &key_id);
            }
        } else if caller.is_none() {
            self.record_failure(&state.failed_auth_throttle);
        }
        Ok(caller)
    }

    /// Records a failed authentication of the client address.
    pub(in crate::http) fn record_failure(self, throttle: &FailureThrottle<IpAddr>) {
        if let Some(address) = self.client_address() {
            throttle.record_failure(&source_network(address));
        }
    }
}

/// Returns the bearer token of the `Authorization` header.
pub(in crate::http) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let header = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// Authenticates an account token that was sent outside of the `Authorization` header.
pub(in crate::http) async fn authenticate_token(
    token: &str,
    headers: &HeaderMap,
    state: &AppState,
    request: &RequestContext,
) -> Result<(), Problem> {
    if KeyKind::of(token) == Some(KeyKind::ApiKey) {
        let detail = "An API key is accepted in the `Authorization` header only. \
                      Send it there, or an account token here.";
        return Err(Problem::new(ProblemKind::Unauthorized, detail));
    }
    let caller = authenticate_key(ClientSource::of(headers, state, request), token).await?;
    set_caller(&caller, state, request)?;
    Ok(())
}

async fn authenticate_header(source: ClientSource<'_>) -> Result<Arc<Caller>, Problem> {
    let refused = |detail: &str| Problem::new(ProblemKind::Unauthorized, detail);
    if !source.headers.contains_key(header::AUTHORIZATION) {
        let detail = "Send `Authorization: Bearer KEY` with an API key or an account token.";
        return Err(refused(detail).without_credentials());
    }
    let key = bearer(source.headers);
    let key = key.ok_or_else(|| refused("The authorization header is not `Bearer KEY`."))?;
    authenticate_key(source, key).await
}

/// Authenticates a key that was sent in any way.
///
/// # Errors
///
/// `unauthorized`, `too_many_wrong_keys`, or `address_not_allowed`.
pub(in crate::http) async fn authenticate_key(
    source: ClientSource<'_>,
    key: &str,
) -> Result<Arc<Caller>, Problem> {
    let state = source.state;
    let unknown =
        || Problem::new(ProblemKind::Unauthorized, "The key is unknown, expired or revoked.");
    let kind = KeyKind::of(key).ok_or_else(unknown)?;
    let (digest, now) = (Digest::of(key), state.clock.now());
    let caller = match state.store.cached_caller(&digest, now) {
        Some(caller) => caller,
        None => Box::pin(source.look_up(kind, key, &digest, now)).await?.ok_or_else(unknown)?,
    };
    if let Some(allowed) = &caller.allowed_addresses {
        source.check_networks(allowed).inspect_err(|_| {
            source.request.set_rejected_key(caller.environment_id, &caller.key_id);
        })?;
    }
    state.store.record_key_use(&caller, now);
    Ok(caller)
}
