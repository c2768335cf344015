//! Who calls: a key that is alive and has the scope that the handler's signature names.

use std::marker::PhantomData;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use time::OffsetDateTime;
use tokio::time::Instant;

use super::client::address;
use crate::admin::Administrator;
use crate::domain::access::{KeyKind, Scope};
use crate::domain::ids::IntegratedAccountId;
use crate::domain::networks::Networks;
use crate::domain::sealed::Digest;
use crate::http::current::CurrentRequest;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::{AppState, Services};
use crate::limit::{Damper, network};
use crate::store::{AuditEntry, Caller, TenantDb, UsedBy};

/// A scope, as a part of a signature.
pub(in crate::http) trait Permission: Send + Sync + 'static {
    /// The scope.
    const SCOPE: Scope;
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub(in crate::http) struct $name;

        impl Permission for $name {
            const SCOPE: Scope = Scope::$name;
        }
    )*};
}

permissions! {
    /// May read.
    Read;
    /// May change.
    Write;
    /// May pass raw calls.
    Proxy;
    /// May manage the environment.
    Admin;
}

/// A caller who has the scope `P`, and the rows of its environment.
#[derive(Debug)]
pub(in crate::http) struct Access<P> {
    /// Who calls.
    pub(in crate::http) caller: Arc<Caller>,
    /// The rows it may see.
    pub(in crate::http) db: TenantDb,
    request: CurrentRequest,
    permission: PhantomData<P>,
}

impl<P> Access<P> {
    /// The request's id.
    pub(in crate::http) fn request_id(&self) -> &str {
        self.request.id()
    }

    /// The request.
    pub(in crate::http) fn request(&self) -> &CurrentRequest {
        &self.request
    }

    /// Refuses an account token where the response is about more than its account.
    pub(in crate::http) fn refuse_account_token(&self, what: &str) -> Result<(), Problem> {
        if self.caller.account_id.is_none() {
            return Ok(());
        }
        let detail =
            format!("An account token is for its own account, not for {what}: use an API key.");
        Err(Problem::new(ProblemKind::InsufficientScope, detail))
    }

    /// This caller as the administrator of its environment.
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

    /// A row of the audit log that says this caller did something.
    pub(in crate::http) fn entry<'e>(
        &'e self,
        services: &Services,
        action: &'e str,
        (account_id, subject): (Option<IntegratedAccountId>, Option<&'e str>),
    ) -> AuditEntry<'e> {
        let (actor, request_id) = (&*self.caller.key_id, Some(self.request.id()));
        let new = AuditEntry::new(action, actor, &*services.clock, &*services.entropy);
        AuditEntry { account_id, subject, request_id, ..new }
    }

    /// This caller as the user of an account's token.
    pub(in crate::http) fn user<'a>(
        &'a self,
        services: &'a Services,
        action: &'static str,
        account_id: IntegratedAccountId,
    ) -> UsedBy<'a> {
        UsedBy {
            log: &services.uses,
            environment_id: self.caller.environment_id,
            actor: &self.caller.key_id,
            action,
            account_id,
            request_id: Some(self.request.id()),
        }
    }
}

impl<P: Permission> Access<P> {
    /// The caller of this request, when it has the scope.
    pub(in crate::http) async fn of(
        headers: &HeaderMap,
        state: &AppState,
        request: CurrentRequest,
    ) -> Result<Self, Problem> {
        let caller = authenticate(headers, state, &request).await?;
        if !caller.scopes.contains(&P::SCOPE) {
            return Err(Problem::new(
                ProblemKind::InsufficientScope,
                format!("This needs a key with the scope `{}`.", P::SCOPE),
            ));
        }
        let db = state.store.tenant(caller.environment_id);
        Ok(Self { caller, db, request, permission: PhantomData })
    }
}

impl<P: Permission> FromRequestParts<AppState> for Access<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        Self::of(&parts.headers, state, CurrentRequest::of(&parts.extensions)).await
    }
}

/// Proves who calls, once in a request: the caller stays with it.
pub(in crate::http) async fn authenticate(
    headers: &HeaderMap,
    state: &AppState,
    request: &CurrentRequest,
) -> Result<Arc<Caller>, Problem> {
    if let Some(proven) = request.caller() {
        return Ok(Arc::clone(proven));
    }
    let caller = prove(Source::of(headers, state, request)).await?;
    note(&caller, state, request)?;
    Ok(caller)
}

/// Notes who calls, unless the environment has as many requests under way as it may have.
fn note(caller: &Arc<Caller>, state: &AppState, request: &CurrentRequest) -> Result<(), Problem> {
    if request.is_of(caller, &state.places) {
        return Ok(());
    }
    state.metrics.over_quota("requests");
    let detail =
        "The environment has as many requests under way as `quotas.request_share` permits.";
    Err(Problem::new(ProblemKind::EnvironmentOverloaded, detail)
        .retry_after(Duration::from_secs(1)))
}

const WRONG_KEYS: &str = "Too many unknown keys came from this address, so this one was not looked up. Retry after `Retry-After` seconds.";
const ENDED_KEY: &str =
    "This key is expired or revoked and was used too often since. Send a valid key.";

/// Refuses a caller that has to wait.
fn refuse_for(wait: Duration, why: &'static str) -> Result<(), Problem> {
    if wait.is_zero() {
        return Ok(());
    }
    Err(Problem::new(ProblemKind::TooManyWrongKeys, why).retry_after(wait))
}

/// Where a request comes from.
#[derive(Clone, Copy)]
pub(in crate::http) struct Source<'a> {
    request: &'a CurrentRequest,
    headers: &'a HeaderMap,
    state: &'a AppState,
}

impl<'a> Source<'a> {
    /// Where this request comes from.
    pub(in crate::http) fn of(
        headers: &'a HeaderMap,
        state: &'a AppState,
        request: &'a CurrentRequest,
    ) -> Self {
        Self { request, headers, state }
    }

    /// Refuses a caller that is elsewhere.
    fn check(self, allowed: &Networks) -> Result<(), Problem> {
        let detail = match address(self.request.peer(), self.headers, &self.state.trusted_proxies) {
            Some(address) if allowed.have(address) => return Ok(()),
            Some(address) => format!("The key may not be used from {address}."),
            None => "The key is bound to addresses, and the caller's can't be told.".to_owned(),
        };
        Err(Problem::new(ProblemKind::AddressNotAllowed, detail))
    }

    /// Its address, as far as anybody can tell.
    fn likely(self) -> Option<IpAddr> {
        let peer = self.request.peer();
        let told = address(peer, self.headers, &self.state.trusted_proxies);
        told.or_else(|| Some(peer?.ip().to_canonical()))
    }

    /// Refuses a caller whose address has failed too often by this damper's measure.
    pub(in crate::http) fn hold_up(
        self,
        damper: &Damper<IpAddr>,
        why: &'static str,
    ) -> Result<(), Problem> {
        let wait = |source| damper.wait(network(source), Instant::now());
        refuse_for(self.likely().map_or(Duration::ZERO, wait), why)
    }

    /// Looks a key up in the database. Failures with keys that were issued here count for that key alone: callers
    /// behind one address, such as a proxy's, can't lock each other out by keys that they make up.
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
            refuse_for(state.ended_keys.wait(*digest, Instant::now()), ENDED_KEY)?;
        } else if !state.store.is_known(digest) {
            self.hold_up(&state.damper, WRONG_KEYS)?;
        }
        let caller = state.store.caller(kind, digest, now).await?;
        if caller.is_none() && issued_here {
            state.ended_keys.failed(*digest, Instant::now());
            // Somebody still has it: its environment is told.
            if let Some((environment_id, key_id)) = state.store.ended_key(kind, digest).await? {
                self.request.is_refused(environment_id, &key_id);
            }
        } else if caller.is_none() {
            self.has_failed(&state.damper);
        }
        Ok(caller)
    }

    /// Notes that what came from there was none.
    pub(in crate::http) fn has_failed(self, damper: &Damper<IpAddr>) {
        if let Some(address) = self.likely() {
            damper.failed(network(address), Instant::now());
        }
    }
}

/// The key in a request's header, when it has one.
pub(in crate::http) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let header = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// Proves a caller who sent an account token elsewhere than in the header.
pub(in crate::http) async fn prove_token(
    token: &str,
    headers: &HeaderMap,
    state: &AppState,
    request: &CurrentRequest,
) -> Result<(), Problem> {
    if KeyKind::of(token) == Some(KeyKind::ApiKey) {
        let detail = "An API key may stand in the `Authorization` header alone. Send it there, or an account token here.";
        return Err(Problem::new(ProblemKind::Unauthorized, detail));
    }
    let caller = prove_key(Source::of(headers, state, request), token).await?;
    note(&caller, state, request)?;
    Ok(())
}

async fn prove(source: Source<'_>) -> Result<Arc<Caller>, Problem> {
    let refused = |detail: &str| Problem::new(ProblemKind::Unauthorized, detail);
    if !source.headers.contains_key(header::AUTHORIZATION) {
        let detail = "Send `Authorization: Bearer KEY` with an API key or an account token.";
        return Err(refused(detail).without_credentials());
    }
    let key = bearer(source.headers);
    let key = key.ok_or_else(|| refused("The authorization header is not `Bearer KEY`."))?;
    prove_key(source, key).await
}

async fn prove_key(source: Source<'_>, key: &str) -> Result<Arc<Caller>, Problem> {
    let state = source.state;
    let unknown =
        || Problem::new(ProblemKind::Unauthorized, "The key is unknown, expired or revoked.");
    let kind = KeyKind::of(key).ok_or_else(unknown)?;
    let (digest, now) = (Digest::of(key), state.clock.now());
    let caller = match state.store.known_caller(&digest, now) {
        Some(caller) => caller,
        None => Box::pin(source.look_up(kind, key, &digest, now)).await?.ok_or_else(unknown)?,
    };
    if let Some(allowed) = &caller.allowed_addresses {
        source.check(allowed).inspect_err(|_| {
            source.request.is_refused(caller.environment_id, &caller.key_id);
        })?;
    }
    state.store.note_use(&caller, now);
    Ok(caller)
}
