//! Resolves the account of a request: by id, header, tenant and provider, or the account token.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderName, Uri};
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::IntoParams;

use super::account_discovery::with_discovery;
use super::authentication::{Access, RequiredScope, Write};
use super::max_wait::max_wait;
use super::params::{Params, differing_parameters, invalid_parameter};
use crate::connectors::CallContext;
use crate::domain::access::Scope;
use crate::domain::account::{AccountStatus, IntegratedAccount};
use crate::domain::allowed_methods::AllowedMethods;
use crate::domain::ids::{IntegratedAccountId, InvalidId};
use crate::domain::mapping::Mapping;
use crate::domain::provider::Provider;
use crate::http::problem::{Problem, ProblemKind, account_disconnected, needs_reauth};
use crate::http::request_context::RequestContext;
use crate::http::state::{AppState, Services};
use crate::limit::Priority;
use crate::store::Caller;
use crate::unified::{AuditTrail, Changes, Directory};
use crate::upstream::CallOptions;

/// The header with the account id.
pub(in crate::http) const HEADER: HeaderName = HeaderName::from_static("x-integrated-account-id");
/// The same header, as shown in problems.
const HEADER_DISPLAY_NAME: &str = "X-Integrated-Account-Id";
/// The parameter with the account id.
const ACCOUNT_PARAM: &str = "integrated_account_id";
/// The parameters that select the account by its tenant.
const TENANT_PARAM: &str = "tenant_id";
const PROVIDER_PARAM: &str = "provider";
/// The header whose account token implies the account.
const AUTHORIZATION_HEADER: &str = "Authorization";

/// The parameters that select the account of a request.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct AccountQuery {
    /// Account id; required unless an account token implies it. Same as the header `X-Integrated-Account-Id`.
    #[param(value_type = Option<String>, example = "acc_01J8ZQ5V9Y3M7T2K4N6P8R0S1T")]
    pub integrated_account_id: Option<String>,
    /// With `provider`: selects the tenant's account, if exactly one matches.
    pub tenant_id: Option<String>,
    /// With `tenant_id`: provider of the account.
    pub provider: Option<Provider>,
}

impl AccountQuery {
    /// Takes the account parameters.
    pub(in crate::http) fn take(params: &mut Params) -> Result<Self, Problem> {
        Ok(Self {
            integrated_account_id: params.take(ACCOUNT_PARAM)?,
            tenant_id: params.take(TENANT_PARAM)?,
            provider: params.parse(PROVIDER_PARAM)?,
        })
    }

    /// Returns the account id and the parameter or header that has it. If both have one, they must agree.
    pub(in crate::http) fn id(
        &self,
        headers: &HeaderMap,
    ) -> Result<Option<(IntegratedAccountId, &'static str)>, Problem> {
        let in_query = self.integrated_account_id.as_deref().map(read_id).transpose()?;
        let in_header = header_value(headers)?.map(read_id).transpose()?;
        match (in_query, in_header) {
            (Some(one), Some(other)) if one != other => Err(differing_parameters(
                [ACCOUNT_PARAM, HEADER_DISPLAY_NAME],
                "names another account",
            )),
            (Some(id), _) => Ok(Some((id, ACCOUNT_PARAM))),
            (None, Some(id)) => Ok(Some((id, HEADER_DISPLAY_NAME))),
            (None, None) => Ok(None),
        }
    }

    /// Fails if the tenant or provider differs from that of the account that `selector` names.
    fn check_selectors(
        &self,
        account: &IntegratedAccount,
        selector: &'static str,
    ) -> Result<(), Problem> {
        if self.tenant_id.as_ref().is_some_and(|tenant| *tenant != account.tenant_id) {
            return Err(differing_parameters(
                [selector, TENANT_PARAM],
                "the account belongs to another tenant",
            ));
        }
        if self.provider.is_some_and(|provider| provider != account.provider) {
            return Err(differing_parameters(
                [selector, PROVIDER_PARAM],
                "the account belongs to another provider",
            ));
        }
        Ok(())
    }
}

/// Takes the account filter of a list with rows of several accounts. If query and header have one, they must agree.
pub(in crate::http) fn account_filter(
    params: &mut Params,
    headers: &HeaderMap,
) -> Result<Option<IntegratedAccountId>, Problem> {
    let in_query: Option<IntegratedAccountId> = params.parse(ACCOUNT_PARAM)?;
    let read = |text: &str| {
        let refused = |error: InvalidId| invalid_parameter(HEADER_DISPLAY_NAME, error.to_string());
        text.parse::<IntegratedAccountId>().map_err(refused)
    };
    let in_header = header_value(headers)?.map(read).transpose()?;
    if in_query.zip(in_header).is_some_and(|(one, other)| one != other) {
        return Err(differing_parameters(
            [ACCOUNT_PARAM, HEADER_DISPLAY_NAME],
            "names another account",
        ));
    }
    Ok(in_query.or(in_header))
}

/// Returns the header's value; the header must occur once.
fn header_value(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let refused = |message| Err(invalid_parameter(HEADER_DISPLAY_NAME, message));
    match value.to_str().map(str::trim) {
        _ if values.next().is_some() => refused("occurs more than once"),
        Ok("") => refused("must not be empty; omit the header or set a value"),
        Ok(text) => Ok(Some(text)),
        Err(_) => refused("must be an account id"),
    }
}

fn read_id(text: &str) -> Result<IntegratedAccountId, Problem> {
    text.parse().map_err(|error: InvalidId| {
        account_not_found().with_error(ACCOUNT_PARAM, error.to_string())
    })
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

/// The parts of a request that select the account and its call options.
#[derive(Clone, Copy)]
pub(in crate::http) struct RequestHead<'a> {
    pub(in crate::http) uri: &'a Uri,
    pub(in crate::http) headers: &'a HeaderMap,
    pub(in crate::http) extensions: &'a Extensions,
}

/// The account of a request, for a caller with the scope `P`.
#[derive(Debug)]
pub(in crate::http) struct Account<P> {
    /// In the caller's environment, with the status `active`.
    pub(super) row: Arc<IntegratedAccount>,
    pub(super) max_wait: Duration,
    class: Priority,
    /// The audit action of provider calls.
    audit_action: &'static str,
    pub(super) access: Access<P>,
    /// The account's custom field mappings.
    pub(super) mappings: Vec<Mapping>,
}

impl<P> Account<P> {
    /// Returns the account id.
    pub(in crate::http) fn id(&self) -> IntegratedAccountId {
        self.row.id
    }

    /// Returns the provider.
    pub(in crate::http) fn provider(&self) -> Provider {
        self.row.provider
    }

    /// Returns the request's id.
    pub(in crate::http) fn request_id(&self) -> &str {
        self.access.request_id()
    }

    /// Returns the request's context.
    pub(in crate::http) fn request(&self) -> &RequestContext {
        self.access.request()
    }

    /// Returns the provider methods that the caller's key is restricted to.
    pub(in crate::http) fn allowed_methods(&self) -> Option<&AllowedMethods> {
        self.access.caller.allowed_methods.as_deref()
    }

    /// Returns the caller.
    pub(in crate::http) fn caller(&self) -> &Caller {
        &self.access.caller
    }

    /// Returns the account's directory.
    pub(in crate::http) fn directory<'a>(
        &'a self,
        services: &'a Services,
        wants_remote: bool,
    ) -> Directory<'a> {
        Directory {
            cx: CallContext {
                account: &self.row,
                upstream: &services.upstream,
                options: CallOptions {
                    // All provider calls of one operation share the deadline.
                    wait_until: Instant::now() + self.max_wait,
                    priority: self.class,
                    limit_report: Some(self.access.request().limit_report()),
                    span: self.access.request().span(),
                },
                // Mapping expressions read the provider's objects even if the response omits them.
                include_remote: wants_remote || !self.mappings.is_empty(),
                unreadable_rows: self.access.request().unreadable_rows(),
                usage: self.access.usage_context(services, self.audit_action, self.row.id),
                call_count: None,
            },
            connector: services.registry.connector(self.row.provider),
            signer: &services.cursors,
            mappings: &self.mappings,
            expressions: &services.expressions,
            workspace_names: &services.workspace_names,
        }
    }
}

impl Account<Write> {
    /// Returns the account's directory with write access.
    pub(in crate::http) fn changes<'a>(
        &'a self,
        services: &'a Services,
        wants_remote: bool,
    ) -> Changes<'a> {
        let journal = AuditTrail {
            db: &self.access.db,
            actor: &self.access.caller.key_id,
            account_id: self.row.id,
            request_id: self.access.request_id(),
            clock: &*services.clock,
            entropy: &*services.entropy,
        };
        Changes { directory: self.directory(services, wants_remote), audit_trail: journal }
    }
}

impl<P: RequiredScope> FromRequestParts<AppState> for Account<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let request = RequestContext::of(&parts.extensions);
        let Parts { uri, headers, extensions, .. } = &*parts;
        Self::resolve(RequestHead { uri, headers, extensions }, state, request).await
    }
}

impl<P: RequiredScope> Account<P> {
    /// Authenticates the caller and resolves the account.
    ///
    /// # Errors
    ///
    /// The problems of [`Access::authorize`]; `account_required`, `account_not_found` or `ambiguous_account`;
    /// `account_needs_reauth` or `account_disconnected`.
    pub(in crate::http) async fn resolve(
        head: RequestHead<'_>,
        state: &AppState,
        request: RequestContext,
    ) -> Result<Self, Problem> {
        let RequestHead { uri, headers, extensions } = head;
        let access = Access::<P>::authorize(headers, state, request).await?;
        let named_otherwise = access.caller.account_id.is_some() || headers.contains_key(HEADER);
        let query = if P::SCOPE == Scope::Proxy && named_otherwise {
            // All other parameters of a raw call belong to the provider, even one named `provider`.
            let names_it = uri.query().is_some_and(|query| query.contains(ACCOUNT_PARAM));
            let named = if names_it { Params::of(uri).take(ACCOUNT_PARAM)? } else { None };
            AccountQuery { integrated_account_id: named, ..AccountQuery::default() }
        } else {
            AccountQuery::take(&mut Params::of(uri))?
        };
        let integrated_account = find_account(&access, headers, &query).await?;
        let max_wait = max_wait(headers, state);
        let class = extensions.get::<Priority>().copied().unwrap_or_default();
        Self::open(access, integrated_account, state, (max_wait, class)).await
    }

    /// Returns an account that the path names indirectly, or the problems of [`Self::resolve`].
    pub(in crate::http) async fn with_id(
        access: Access<P>,
        id: IntegratedAccountId,
        headers: &HeaderMap,
        state: &AppState,
    ) -> Result<Self, Problem> {
        let query =
            AccountQuery { integrated_account_id: Some(id.text()), ..AccountQuery::default() };
        let account = find_account(&access, headers, &query).await?;
        Self::open(access, account, state, (max_wait(headers, state), Priority::default())).await
    }

    async fn open(
        access: Access<P>,
        integrated_account: Arc<IntegratedAccount>,
        state: &AppState,
        (max_wait, class): (Duration, Priority),
    ) -> Result<Self, Problem> {
        access.request().set_account_id(integrated_account.id, integrated_account.provider);
        match integrated_account.status {
            AccountStatus::Active => {}
            AccountStatus::NeedsReauth => {
                return Err(needs_reauth(integrated_account.status_reason.as_deref()));
            }
            AccountStatus::Disconnected => {
                return Err(account_disconnected());
            }
        }
        let integrated_account = with_discovery(&access, state, integrated_account).await?;
        // Raw calls have no custom fields.
        let mappings = match P::SCOPE {
            Scope::Proxy => Vec::new(),
            Scope::Read | Scope::Write | Scope::Admin => {
                Box::pin(
                    access
                        .db
                        .mappings_for_account(integrated_account.id, integrated_account.provider),
                )
                .await?
            }
        };
        let action = if P::SCOPE == Scope::Proxy { "proxy.called" } else { "directory.called" };
        Ok(Self {
            row: integrated_account,
            max_wait,
            class,
            audit_action: action,
            access,
            mappings,
        })
    }
}

async fn find_account<P>(
    access: &Access<P>,
    headers: &HeaderMap,
    query: &AccountQuery,
) -> Result<Arc<IntegratedAccount>, Problem> {
    let named = query.id(headers)?;
    let (id, selector) = match (access.caller.account_id, named) {
        (Some(own), Some((id, _))) if own != id => return Err(account_not_found()),
        (Some(own), _) => (own, AUTHORIZATION_HEADER),
        (None, Some(named)) => named,
        (None, None) => return Box::pin(find_account_by_tenant(access, query)).await,
    };
    let account = access.db.cached_account(id).await?.ok_or_else(account_not_found)?;
    query.check_selectors(&account, selector)?;
    Ok(account)
}

async fn find_account_by_tenant<P>(
    access: &Access<P>,
    query: &AccountQuery,
) -> Result<Arc<IntegratedAccount>, Problem> {
    let (Some(tenant_id), Some(provider)) = (&query.tenant_id, query.provider) else {
        return Err(Problem::new(
            ProblemKind::AccountRequired,
            "Send the account id: `integrated_account_id` in the query, the header `X-Integrated-Account-Id`, \
             or `tenant_id` with `provider`.",
        ));
    };
    let mut live = access.db.cached_accounts_of_tenant(tenant_id, provider).await?;
    match (live.pop(), live.is_empty()) {
        (Some(account), true) => Ok(account),
        (None, _) => Err(account_not_found()),
        (Some(_), false) => Err(Problem::new(
            ProblemKind::AmbiguousAccount,
            format!("{} accounts have this tenant and provider.", live.len() + 1),
        )),
    }
}

fn account_not_found() -> Problem {
    Problem::new(
        ProblemKind::AccountNotFound,
        "No such account in this environment. GET /integrated-accounts lists its accounts.",
    )
}
