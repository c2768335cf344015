//! For which account: named by id, by header, by tenant and provider, or implied by an account token.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderName, Uri};
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::IntoParams;

use super::access::{Access, Permission, Write};
use super::params::{Params, contradicting, invalid};
use crate::connectors::CallContext;
use crate::domain::access::Scope;
use crate::domain::account::{AccountStatus, IntegratedAccount};
use crate::domain::allowed_methods::AllowedMethods;
use crate::domain::ids::{IntegratedAccountId, InvalidId};
use crate::domain::mapping::Mapping;
use crate::domain::provider::Provider;
use crate::http::current::CurrentRequest;
use crate::http::problem::{Problem, ProblemKind, account_disconnected, needs_reauth};
use crate::http::state::{AppState, Services};
use crate::limit::Class;
use crate::unified::{Changes, Directory, Journal};
use crate::upstream::CallOptions;

/// The header that names the account.
pub(in crate::http) const HEADER: HeaderName = HeaderName::from_static("x-integrated-account-id");
/// The same header as problems name it.
const HEADER_SHOWN: &str = "X-Integrated-Account-Id";
/// The parameter that names it.
const ACCOUNT: &str = "integrated_account_id";
/// The parameters that select it by its tenant.
const TENANT: &str = "tenant_id";
const PROVIDER: &str = "provider";
/// What selects the account of an account token.
const TOKEN: &str = "Authorization";
/// The header that says how long a request may wait.
pub(in crate::http) const PREFER: HeaderName = HeaderName::from_static("prefer");
/// The longest wait that a caller can ask for.
const LONGEST_WAIT: Duration = Duration::from_mins(2);

/// The account a request is about.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct AccountQuery {
    /// The account, when no account token implies it. The header `X-Integrated-Account-Id` does the same.
    #[param(value_type = Option<String>, example = "acc_01J8ZQ5V9Y3M7T2K4N6P8R0S1T")]
    pub integrated_account_id: Option<String>,
    /// With `provider`: the tenant's account, when exactly one matches.
    pub tenant_id: Option<String>,
    /// With `tenant_id`: the provider.
    pub provider: Option<Provider>,
}

impl AccountQuery {
    /// Takes the parameters that name an account.
    pub(super) fn take(params: &mut Params) -> Result<Self, Problem> {
        Ok(Self {
            integrated_account_id: params.take(ACCOUNT)?,
            tenant_id: params.take(TENANT)?,
            provider: params.parse(PROVIDER)?,
        })
    }

    /// The id that the query or the header names, and which of them. Both must agree.
    pub(in crate::http) fn id(
        &self,
        headers: &HeaderMap,
    ) -> Result<Option<(IntegratedAccountId, &'static str)>, Problem> {
        let in_query = self.integrated_account_id.as_deref().map(read_id).transpose()?;
        let in_header = header_value(headers)?.map(read_id).transpose()?;
        match (in_query, in_header) {
            (Some(one), Some(other)) if one != other => {
                Err(contradicting([ACCOUNT, HEADER_SHOWN], "names another account"))
            }
            (Some(id), _) => Ok(Some((id, ACCOUNT))),
            (None, Some(id)) => Ok(Some((id, HEADER_SHOWN))),
            (None, None) => Ok(None),
        }
    }

    /// Refuses a tenant or a provider that is not the one of the account that `selector` named.
    fn check(&self, account: &IntegratedAccount, selector: &'static str) -> Result<(), Problem> {
        if self.tenant_id.as_ref().is_some_and(|tenant| *tenant != account.tenant_id) {
            return Err(contradicting([selector, TENANT], "the account is of another tenant"));
        }
        if self.provider.is_some_and(|provider| provider != account.provider) {
            return Err(contradicting([selector, PROVIDER], "the account is of another provider"));
        }
        Ok(())
    }
}

/// The account whose rows are wanted of a list that has rows of several accounts; the query or the header names it, and
/// both must agree.
pub(in crate::http) fn account_filter(
    params: &mut Params,
    headers: &HeaderMap,
) -> Result<Option<IntegratedAccountId>, Problem> {
    let in_query: Option<IntegratedAccountId> = params.parse(ACCOUNT)?;
    let read = |text: &str| {
        let refused = |error: InvalidId| invalid(HEADER_SHOWN, error.to_string());
        text.parse::<IntegratedAccountId>().map_err(refused)
    };
    let in_header = header_value(headers)?.map(read).transpose()?;
    if in_query.zip(in_header).is_some_and(|(one, other)| one != other) {
        return Err(contradicting([ACCOUNT, HEADER_SHOWN], "names another account"));
    }
    Ok(in_query.or(in_header))
}

/// What the header says; it stands once.
fn header_value(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let refused = |message| Err(invalid(HEADER_SHOWN, message));
    match value.to_str().map(str::trim) {
        _ if values.next().is_some() => refused("stands more than once"),
        Ok("") => refused("must not be empty: leave the header out, or give it a value"),
        Ok(text) => Ok(Some(text)),
        Err(_) => refused("must be an account's id"),
    }
}

fn read_id(text: &str) -> Result<IntegratedAccountId, Problem> {
    text.parse().map_err(|error: InvalidId| not_found().at(ACCOUNT, error.to_string()))
}

impl<S: Send + Sync> FromRequestParts<S> for AccountQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut params = Params::of(&parts.uri);
        let query = Self::take(&mut params)?;
        params.finish()?;
        Ok(query)
    }
}

/// What of a request says which account it is about, and how to go about it.
#[derive(Clone, Copy)]
pub(in crate::http) struct Head<'a> {
    pub(in crate::http) uri: &'a Uri,
    pub(in crate::http) headers: &'a HeaderMap,
    pub(in crate::http) extensions: &'a Extensions,
}

/// The account that the request of a caller with the scope `P` is about.
#[derive(Debug)]
pub(in crate::http) struct Account<P> {
    /// Of the caller's environment, and in working order.
    connected: Arc<IntegratedAccount>,
    max_wait: Duration,
    class: Class,
    /// What a call to the provider is in the audit log.
    action: &'static str,
    access: Access<P>,
    /// The custom fields that hold for it.
    mappings: Vec<Mapping>,
}

impl<P> Account<P> {
    /// Its id.
    pub(in crate::http) fn id(&self) -> IntegratedAccountId {
        self.connected.id
    }

    /// Its provider.
    pub(in crate::http) fn provider(&self) -> Provider {
        self.connected.provider
    }

    /// The request's id.
    pub(in crate::http) fn request_id(&self) -> &str {
        self.access.request_id()
    }

    /// The request.
    pub(in crate::http) fn request(&self) -> &CurrentRequest {
        self.access.request()
    }

    /// The provider's methods that the caller's key is bound to.
    pub(in crate::http) fn allowed_methods(&self) -> Option<&AllowedMethods> {
        self.access.caller.allowed_methods.as_deref()
    }

    /// The account's directory.
    pub(in crate::http) fn directory<'a>(
        &'a self,
        services: &'a Services,
        wants_remote: bool,
    ) -> Directory<'a> {
        Directory {
            cx: CallContext {
                account: &self.connected,
                upstream: &services.upstream,
                options: CallOptions {
                    // All calls of one use of the directory share the wait.
                    wait_until: Instant::now() + self.max_wait,
                    class: self.class,
                    meter: Some(self.access.request().meter()),
                    span: self.access.request().span(),
                },
                // The expressions see the provider's objects, whether the caller does or not.
                wants_remote: wants_remote || !self.mappings.is_empty(),
                unreadable_rows: self.access.request().unreadable_rows(),
                used_by: self.access.user(services, self.action, self.connected.id),
            },
            connector: services.registry.connector(self.connected.provider),
            signer: &services.cursors,
            mappings: &self.mappings,
            expressions: &services.expressions,
            workspace_names: &services.workspace_names,
        }
    }
}

impl Account<Write> {
    /// The account's directory, to be changed.
    pub(in crate::http) fn changes<'a>(
        &'a self,
        services: &'a Services,
        wants_remote: bool,
    ) -> Changes<'a> {
        let journal = Journal {
            db: &self.access.db,
            actor: &self.access.caller.key_id,
            account_id: self.connected.id,
            request_id: self.access.request_id(),
            clock: &*services.clock,
            entropy: &*services.entropy,
        };
        Changes { directory: self.directory(services, wants_remote), journal }
    }
}

impl<P: Permission> FromRequestParts<AppState> for Account<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let request = CurrentRequest::of(&parts.extensions);
        let Parts { uri, headers, extensions, .. } = &*parts;
        Self::of(Head { uri, headers, extensions }, state, request).await
    }
}

impl<P: Permission> Account<P> {
    /// The account that this request is about.
    pub(in crate::http) async fn of(
        head: Head<'_>,
        state: &AppState,
        request: CurrentRequest,
    ) -> Result<Self, Problem> {
        let Head { uri, headers, extensions } = head;
        let access = Access::<P>::of(headers, state, request).await?;
        let named_otherwise = access.caller.account_id.is_some() || headers.contains_key(HEADER);
        let query = if P::SCOPE == Scope::Proxy && named_otherwise {
            // What else is in a raw call's query is the provider's, a `provider` of its own too.
            let names_it = uri.query().is_some_and(|query| query.contains(ACCOUNT));
            let named = if names_it { Params::of(uri).take(ACCOUNT)? } else { None };
            AccountQuery { integrated_account_id: named, ..AccountQuery::default() }
        } else {
            AccountQuery::take(&mut Params::of(uri))?
        };
        let account = find(&access, headers, &query).await?;
        access.request().is_about(account.id, account.provider);
        match account.status {
            AccountStatus::Active => {}
            AccountStatus::NeedsReauth => {
                return Err(needs_reauth(account.status_reason.as_deref()));
            }
            AccountStatus::Disconnected => {
                return Err(account_disconnected());
            }
        }
        let max_wait = max_wait(headers, state);
        // Raw calls pass as they are.
        let mappings = match P::SCOPE {
            Scope::Proxy => Vec::new(),
            Scope::Read | Scope::Write | Scope::Admin => {
                Box::pin(access.db.mappings_of(account.id, account.provider)).await?
            }
        };
        let class = extensions.get::<Class>().copied().unwrap_or_default();
        let action = if P::SCOPE == Scope::Proxy { "proxy.called" } else { "directory.called" };
        Ok(Self { connected: account, max_wait, class, action, access, mappings })
    }
}

async fn find<P>(
    access: &Access<P>,
    headers: &HeaderMap,
    query: &AccountQuery,
) -> Result<Arc<IntegratedAccount>, Problem> {
    let named = query.id(headers)?;
    let (id, selector) = match (access.caller.account_id, named) {
        (Some(own), Some((id, _))) if own != id => return Err(not_found()),
        (Some(own), _) => (own, TOKEN),
        (None, Some(named)) => named,
        (None, None) => return Box::pin(find_by_tenant(access, query)).await,
    };
    let account = access.db.known_account(id).await?.ok_or_else(not_found)?;
    query.check(&account, selector)?;
    Ok(account)
}

async fn find_by_tenant<P>(
    access: &Access<P>,
    query: &AccountQuery,
) -> Result<Arc<IntegratedAccount>, Problem> {
    let (Some(tenant_id), Some(provider)) = (&query.tenant_id, query.provider) else {
        return Err(Problem::new(
            ProblemKind::AccountRequired,
            "Name the account: integrated_account_id in the query, the header X-Integrated-Account-Id, \
             or tenant_id and provider.",
        ));
    };
    let mut live = access.db.known_accounts_of(tenant_id, provider).await?;
    match (live.pop(), live.is_empty()) {
        (Some(account), true) => Ok(account),
        (None, _) => Err(not_found()),
        (Some(_), false) => Err(Problem::new(
            ProblemKind::AmbiguousAccount,
            format!("{} accounts have this tenant and provider.", live.len() + 1),
        )),
    }
}

fn not_found() -> Problem {
    Problem::new(
        ProblemKind::AccountNotFound,
        "There is no such account in this environment. GET /integrated-accounts lists those there are.",
    )
}

/// How long a request may wait: as its `Prefer: wait=N` says (RFC 7240), else as the settings do.
pub(in crate::http) fn max_wait(headers: &HeaderMap, services: &Services) -> Duration {
    preferred_wait(headers).unwrap_or(services.max_wait)
}

/// `Prefer: wait=N`, in seconds; the first one counts.
fn preferred_wait(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let mut preferences = values.flat_map(|value| value.split(','));
    let wait = preferences.find_map(|preference| {
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().trim_matches('"'))
    })?;
    Some(Duration::from_secs(wait.parse().ok()?).min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_preferred_wait() {
        for (values, seconds) in [
            (&["wait=5"][..], Some(5)),
            (&["return=minimal, Wait = \"7\""], Some(7)),
            (&["respond-async", "wait=0"], Some(0)),
            (&["wait=3; x=y, wait=9"], Some(3)),
            (&["wait=999999"], Some(120)),
            (&["wait=-1"], None),
            (&["wait=1.5"], None),
            (&["waiting=5"], None),
            (&[], None),
        ] {
            let values = values.iter().map(|value| (PREFER, value.parse().unwrap()));
            let headers: HeaderMap = values.fold(HeaderMap::new(), |mut headers, (name, value)| {
                headers.append(name, value);
                headers
            });
            assert_eq!(preferred_wait(&headers), seconds.map(Duration::from_secs), "{headers:?}");
        }
    }
}
