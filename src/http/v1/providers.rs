//! `/providers`: what each provider can do in general.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::response::{EnvelopeSchema, ItemResponse, ListResponse};
use crate::connectors::{Connector, Linking, general_capabilities};
use crate::domain::capabilities::{Capabilities, ResourceCapabilities};
use crate::domain::page::{MAX_LIMIT, Page};
use crate::domain::provider::{Provider, UnknownProvider};
use crate::http::extract::{Access, NoQuery, Read};
use crate::http::problem::{Problem, ProblemKind, Problems};
use crate::http::state::AppState;

type ProviderSummaryList = EnvelopeSchema<ListResponse<ProviderSummary>>;
type ProviderDetailsResponse = EnvelopeSchema<ItemResponse<ProviderDetails>>;

/// How customers link their directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::http) enum LinkMethod {
    /// OAuth 2.0, on the provider's consent page.
    #[serde(rename = "oauth")]
    OAuth,
    /// A form with the base URL and credentials.
    Form,
}

/// A provider.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct ProviderSummary {
    /// The name.
    name: Provider,
    /// The display name.
    #[schema(example = "SCIM 2.0")]
    title: &'static str,
    /// How customers link their directory.
    link_method: LinkMethod,
}

/// A scope of a provider.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct AvailableScope {
    /// Provider's name of the scope.
    #[schema(example = "admin.users:read")]
    scope: &'static str,
    /// Description, if known.
    description: Option<&'static str>,
}

/// A provider with what it can do.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct ProviderDetails {
    /// The name.
    name: Provider,
    /// The display name.
    #[schema(example = "SCIM 2.0")]
    title: &'static str,
    /// How customers link their directory.
    link_method: LinkMethod,
    /// Scopes that the unified API needs; empty for a provider without OAuth.
    scopes: Vec<AvailableScope>,
    /// Whether accounts differ in what they can do. Then `GET /integrated-accounts/{id}/capabilities` has what works for
    /// one.
    differs_by_account: bool,
    /// The resources of the unified API.
    resources: Vec<ResourceCapabilities>,
    /// Features of the provider's protocol, by name; empty where accounts differ.
    #[schema(value_type = Object, example = json!({}))]
    features: BTreeMap<String, Value>,
}

impl ProviderSummary {
    fn of(connector: &dyn Connector) -> Self {
        let provider = connector.provider();
        let link_method = match connector.linking() {
            Linking::OAuth(_) => LinkMethod::OAuth,
            Linking::Form(_) => LinkMethod::Form,
        };
        Self { name: provider, title: provider.title(), link_method }
    }
}

/// List providers
///
/// Returns the kinds of directories that the gateway supports.
#[utoipa::path(get, path = "/providers", tag = "Providers",
    responses((status = 200, description = "The providers", body = ProviderSummaryList), Problems))]
pub(in crate::http) async fn list_providers(
    State(state): State<AppState>,
    _: Access<Read>,
    _: NoQuery,
) -> Result<Json<ListResponse<ProviderSummary>>, Problem> {
    let summary = |provider: &Provider| ProviderSummary::of(state.registry.connector(*provider));
    let items = Provider::ALL.iter().map(summary).collect();
    Ok(Json(ListResponse::of(Page { items, next: None }, MAX_LIMIT)))
}

/// Get a provider
///
/// Returns what the provider can do in general: its resources with their methods, fields, filters and expansions, and
/// the scopes of each method as far as known.
#[utoipa::path(get, path = "/providers/{name}", tag = "Providers",
    params(("name" = Provider, Path, description = "The provider's name")),
    responses((status = 200, description = "The provider", body = ProviderDetailsResponse), Problems))]
pub(in crate::http) async fn get_provider(
    State(state): State<AppState>,
    _: Access<Read>,
    Path(name): Path<String>,
    _: NoQuery,
) -> Result<Json<ItemResponse<ProviderDetails>>, Problem> {
    let provider: Provider = name.parse().map_err(|error: UnknownProvider| {
        Problem::new(ProblemKind::NotFound, format!("No such provider: {error}."))
    })?;
    let connector = state.registry.connector(provider);
    let ProviderSummary { name, title, link_method } = ProviderSummary::of(connector);
    let linking = connector.linking();
    let scopes = match linking.oauth() {
        Some(link) => link.default_scopes(),
        None => &[],
    };
    let scopes = scopes
        .iter()
        .map(|&scope| AvailableScope { scope, description: linking.describe_scope(scope) });
    let Capabilities { resources, features } = general_capabilities(connector);
    Ok(Json(ItemResponse::of(ProviderDetails {
        name,
        title,
        link_method,
        scopes: scopes.collect(),
        differs_by_account: connector.discovery().is_some(),
        resources,
        features,
    })))
}
