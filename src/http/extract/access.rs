//! Who calls: a key that is alive and has the scope that the handler's signature names.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;

use crate::domain::access::Scope;
use crate::domain::ids::{AuditId, IntegratedAccountId};
use crate::domain::sealed::Digest;
use crate::http::edge::CurrentRequest;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::{AppState, Services};
use crate::store::{AuditEntry, Caller, KeyKind, Outcome, TenantDb};

/// How API keys begin.
const API_KEY: &str = "sb_live_";
/// How account tokens begin.
pub(in crate::http) const ACCOUNT_TOKEN: &str = "sb_acct_";

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
    request_id: Arc<str>,
    permission: PhantomData<P>,
}

/// The caller of the request at hand, once it was proven.
#[derive(Debug, Clone)]
struct Proven(Arc<Caller>);

impl<P> Access<P> {
    /// The request's id.
    pub(in crate::http) fn request_id(&self) -> &str {
        &self.request_id
    }

    /// A row of the audit log that says this caller did something.
    pub(in crate::http) fn entry<'e>(
        &'e self,
        services: &Services,
        action: &'e str,
        (account_id, subject): (Option<IntegratedAccountId>, Option<&'e str>),
    ) -> AuditEntry<'e> {
        AuditEntry {
            id: AuditId::generate(&*services.clock, &*services.entropy),
            at: services.clock.now(),
            actor: &self.caller.key_id,
            action,
            account_id,
            subject,
            request_id: Some(&self.request_id),
            outcome: Outcome::Done,
        }
    }

    /// Writes down what this caller did to what, and how it ended.
    pub(in crate::http) async fn audit(
        &self,
        services: &Services,
        action: &str,
        (account_id, subject): (Option<IntegratedAccountId>, Option<&str>),
        outcome: Outcome,
    ) -> Result<(), Problem> {
        let entry = AuditEntry { outcome, ..self.entry(services, action, (account_id, subject)) };
        Ok(self.db.audit(&entry).await?)
    }
}

impl<P: Permission> FromRequestParts<AppState> for Access<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let caller = authenticate(parts, state).await?;
        if !caller.scopes.contains(&P::SCOPE) {
            return Err(Problem::new(
                ProblemKind::InsufficientScope,
                format!("This needs a key with the scope `{}`.", P::SCOPE),
            ));
        }
        let request = parts.extensions.get::<CurrentRequest>();
        let request_id = request.map(|id| Arc::clone(&id.0)).unwrap_or_default();
        let db = state.store.tenant(caller.environment_id);
        Ok(Self { caller, db, request_id, permission: PhantomData })
    }
}

/// Proves who calls, once in a request: the caller stays with it.
pub(in crate::http) async fn authenticate(
    parts: &mut Parts,
    state: &AppState,
) -> Result<Arc<Caller>, Problem> {
    if let Some(proven) = parts.extensions.get::<Proven>() {
        return Ok(Arc::clone(&proven.0));
    }
    let caller = prove(parts, state).await?;
    parts.extensions.insert(Proven(Arc::clone(&caller)));
    Ok(caller)
}

async fn prove(parts: &Parts, state: &AppState) -> Result<Arc<Caller>, Problem> {
    let refused = |detail: &str| Problem::new(ProblemKind::Unauthorized, detail);
    let header = parts.headers.get(header::AUTHORIZATION).ok_or_else(|| {
        refused("Send `Authorization: Bearer KEY` with an API key or an account token.")
    })?;
    let key = header
        .to_str()
        .ok()
        .and_then(|header| header.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, key)| key.trim())
        .ok_or_else(|| refused("The authorization header is not `Bearer KEY`."))?;
    let unknown = || refused("The key is unknown, expired or revoked.");
    let kind = if key.starts_with(API_KEY) {
        KeyKind::ApiKey
    } else if key.starts_with(ACCOUNT_TOKEN) {
        KeyKind::AccountToken
    } else {
        return Err(unknown());
    };
    let caller = state.store.caller(kind, &Digest::of(key), state.clock.now()).await?;
    caller.ok_or_else(unknown)
}
