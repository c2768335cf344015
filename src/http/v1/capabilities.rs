//! `/integrated-accounts/{id}/capabilities`: what works for an account, and why something does not.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::integrated_accounts::find;
use super::response::{EnvelopeSchema, ItemResponse};
use crate::connectors::general_capabilities;
use crate::domain::capabilities::{Capabilities, ResourceCapabilities};
use crate::domain::ids::IntegratedAccountId;
use crate::domain::reported_change::ChangeSourceKind;
use crate::http::extract::{Access, NoQuery, Read};
use crate::http::problem::{Problem, Problems};
use crate::http::state::AppState;

type AccountCapabilitiesResponse = EnvelopeSchema<ItemResponse<AccountCapabilities>>;

/// What works for an account.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct AccountCapabilities {
    /// The resources, with what works of each.
    resources: Vec<ResourceCapabilities>,
    /// Features of the provider's protocol, as its server announced them.
    #[schema(value_type = Object, example = json!({"patch": true, "filter": false}))]
    features: BTreeMap<String, Value>,
    /// How changes of the directory become known between two full runs of the sync.
    change_sources: Vec<AccountChangeSource>,
}

/// A way in which changes of a directory become known.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct AccountChangeSource {
    /// The way.
    source: ChangeSourceKind,
    /// Whether it works for this account.
    is_available: bool,
    /// Why it does not work, and how to change that.
    #[schema(
        example = "audit.logs failed: missing_scope. Link the account again with the scope `auditlogs:read`."
    )]
    reason: Option<String>,
    /// When the last event came, or when the log was last read.
    #[serde(with = "time::serde::rfc3339::option")]
    last_at: Option<OffsetDateTime>,
    /// When the log is read next.
    #[serde(with = "time::serde::rfc3339::option")]
    next_at: Option<OffsetDateTime>,
}

/// Get the capabilities of an account
///
/// Returns the resources with the methods, fields and filters that work for the account, and why others do not; and how
/// changes of the directory become known: by events of the provider, by its audit log, or by lists of what was modified.
#[utoipa::path(get, path = "/integrated-accounts/{id}/capabilities", tag = "Integrated accounts",
    params(("id" = IntegratedAccountId, Path, description = "The account's id")),
    responses((status = 200, description = "The capabilities", body = AccountCapabilitiesResponse), Problems))]
pub(in crate::http) async fn get_capabilities(
    State(state): State<AppState>,
    access: Access<Read>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<ItemResponse<AccountCapabilities>>, Problem> {
    let account = find(&access, &id).await?;
    let connector = state.registry.connector(account.provider);
    let source = access.db.change_source(account.id).await?;
    let settings = access.db.sync_settings(account.id).await?.unwrap_or_default();
    let disabled = (!settings.enabled)
        .then(|| "The directory is not copied: set `sync.enabled` of the account.".to_owned());
    let mut change_sources = Vec::new();
    if connector.sends_events() {
        let app = match account.provider_app_id {
            Some(app_id) => access.db.provider_app(app_id).await?,
            None => None,
        };
        let is_signed = app.is_some_and(|app| app.signing_secret.is_some());
        let unsigned = (!is_signed).then(|| {
            "The provider app has no `signing_secret`: set it, and subscribe the app to events at \
             `/events/slack`."
                .to_owned()
        });
        let reason = disabled.clone().or(unsigned);
        change_sources.push(AccountChangeSource {
            source: ChangeSourceKind::ProviderEvents,
            is_available: reason.is_none(),
            reason,
            last_at: source.last_event_at,
            next_at: None,
        });
    }
    if let Some(log) = connector.change_log() {
        let not_read = source
            .log_read_at
            .is_none()
            .then(|| "It is read first after the first full run of the sync.".to_owned());
        let problem = source.log_problem.map(|problem| problem.detail);
        let reason = disabled.or(problem).or(not_read);
        change_sources.push(AccountChangeSource {
            source: log.source(),
            is_available: reason.is_none(),
            reason,
            last_at: source.log_read_at,
            next_at: source.log_due_at,
        });
    }
    let Capabilities { resources, features } = match connector.discovery() {
        Some(discovery) => discovery.describe(&account),
        None => general_capabilities(connector),
    };
    Ok(Json(ItemResponse::of(AccountCapabilities { resources, features, change_sources })))
}
