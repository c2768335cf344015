//! `/environments`: the environment of the key, and the creation of others.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::response::{EnvelopeSchema, ItemResponse, ListResponse};
use crate::domain::ids::{ApiKeyId, EnvironmentId};
use crate::domain::link_page::LinkPage;
use crate::domain::page::{MAX_LIMIT, Page};
use crate::domain::sync::SyncOverrides;
use crate::http::extract::{Access, Admin, JsonBody, NoQuery, Read};
use crate::http::idempotency::SecretShownOnce;
use crate::http::problem::{Problem, ProblemKind, Problems};
use crate::http::state::AppState;
use crate::store::{Environment, TenantDb};

type CreatedEnvironmentResponse = EnvelopeSchema<ItemResponse<CreatedEnvironment>>;
type EnvironmentList = EnvelopeSchema<ListResponse<EnvironmentView>>;
type EnvironmentResponse = EnvelopeSchema<ItemResponse<EnvironmentView>>;

/// Maximum length of a name, in characters.
const MAX_NAME_LENGTH: usize = 100;

/// An environment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Environment)]
pub(in crate::http) struct EnvironmentView {
    /// Id.
    id: EnvironmentId,
    /// Name.
    #[schema(example = "staging")]
    name: String,
    /// Branding of the link page, and the origins that may open it.
    link_page: LinkPage,
    /// Settings of the directory sync that differ from the defaults; those of an account take precedence.
    sync: SyncOverrides,
    /// Creation time.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// Key of another environment that created it; `null` if none did.
    made_by: Option<String>,
}

/// Returns the environment of a key.
async fn own(db: &TenantDb) -> Result<Option<EnvironmentView>, Problem> {
    let Some(Environment { id, name, created_at, made_by }) = db.environment().await? else {
        return Ok(None);
    };
    let link_page = db.link_page_settings().await?;
    let sync = db.environment_sync().await?;
    Ok(Some(EnvironmentView { id, name, link_page, sync, created_at, made_by }))
}

/// Returns the environment of a key; fails if it has another id.
async fn find_own(db: &TenantDb, id: &str) -> Result<EnvironmentView, Problem> {
    own(db).await?.filter(|own| own.id.to_string() == id).ok_or_else(|| {
        Problem::new(
            ProblemKind::NotFound,
            "The key belongs to another environment, or the environment does not exist.",
        )
    })
}

/// List environments
///
/// Returns the environment of the key. Other environments require a key of their own.
#[utoipa::path(get, path = "/environments", tag = "Administration",
    responses((status = 200, description = "The environment", body = EnvironmentList), Problems))]
pub(in crate::http) async fn list_environments(
    access: Access<Read>,
    _: NoQuery,
) -> Result<Json<ListResponse<EnvironmentView>>, Problem> {
    access.reject_account_token("the settings of the environment")?;
    let items = own(&access.db).await?.into_iter().collect();
    Ok(Json(ListResponse::of(Page { items, next: None }, MAX_LIMIT)))
}

/// Get an environment
#[utoipa::path(get, path = "/environments/{id}", tag = "Administration",
    params(("id" = EnvironmentId, Path, description = "The environment's id")),
    responses((status = 200, description = "The environment", body = EnvironmentResponse), Problems))]
pub(in crate::http) async fn get_environment(
    access: Access<Read>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<ItemResponse<EnvironmentView>>, Problem> {
    access.reject_account_token("the settings of the environment")?;
    Ok(Json(ItemResponse::of(find_own(&access.db, &id).await?)))
}

/// Request body for updating an environment. Absent fields are unchanged.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"link_page": {"name": "Acme HR", "accent_color": "#7a3cff"}}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct UpdateEnvironmentRequest {
    /// Name: a label, not necessarily unique.
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
    /// Branding of the link page, and the origins that may open it. Replaces the previous value as a whole.
    link_page: Option<LinkPage>,
    /// Settings of the directory sync that differ from the defaults, for accounts without settings of their own.
    sync: Option<SyncOverrides>,
}

/// Update an environment
///
/// Changes the name, the branding and allowed origins of the link page, or the settings of the directory sync.
#[utoipa::path(patch, path = "/environments/{id}", tag = "Administration",
    params(("id" = EnvironmentId, Path, description = "The environment's id")),
    request_body = UpdateEnvironmentRequest,
    responses((status = 200, description = "The updated environment", body = EnvironmentResponse), Problems))]
pub(in crate::http) async fn update_environment(
    State(state): State<AppState>,
    access: Access<Admin>,
    Path(id): Path<String>,
    _: NoQuery,
    JsonBody(UpdateEnvironmentRequest { name, link_page, sync }): JsonBody<
        UpdateEnvironmentRequest,
    >,
) -> Result<Json<ItemResponse<EnvironmentView>>, Problem> {
    let mut own = find_own(&access.db, &id).await?;
    let mut errors = link_page.as_ref().map(LinkPage::validate).unwrap_or_default();
    errors.extend(sync.iter().flat_map(|sync| sync.validate("/sync")));
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    if let Some(name) = name {
        check_name(&name)?;
        access.administrator(&state).rename_environment(&name).await?;
        own.name = name;
    }
    if let Some(link_page) = link_page {
        let entry = access.audit_entry(&state, "environment.changed", (None, Some(&id)));
        access.db.set_link_page_settings(&link_page, &entry).await?;
        own.link_page = link_page;
    }
    if let Some(sync) = sync {
        let entry = access.audit_entry(&state, "environment.sync_changed", (None, Some(&id)));
        access.db.update_environment_sync(&sync, &entry).await?;
        own.sync = own.sync.patched(sync);
    }
    Ok(Json(ItemResponse::of(own)))
}

/// Request body for creating an environment.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"name": "staging"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CreateEnvironmentRequest {
    /// Name: a label, not necessarily unique.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
}

/// A new environment and its first key. The secret is returned once.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct CreatedEnvironment {
    /// Id.
    id: EnvironmentId,
    /// Name.
    #[schema(example = "staging")]
    name: String,
    /// Creation time.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// Id of its first key.
    key_id: ApiKeyId,
    /// Secret of its first key, which has the scope `admin` only and expires with the key that created it.
    #[schema(example = "sb_live_v1_EXAMPLE")]
    key: String,
}

/// Create an environment
///
/// The response contains the first key of the new environment. The key that creates it has no access to it.
#[utoipa::path(post, path = "/environments", tag = "Administration", request_body = CreateEnvironmentRequest,
    responses((status = 201, description = "The new environment and its first key", body = CreatedEnvironmentResponse), Problems))]
pub(in crate::http) async fn create_environment(
    State(state): State<AppState>,
    access: Access<Admin>,
    _: NoQuery,
    JsonBody(CreateEnvironmentRequest { name }): JsonBody<CreateEnvironmentRequest>,
) -> Result<Response, Problem> {
    check_name(&name)?;
    let caller = &access.caller;
    if caller.allowed_methods.is_some() || caller.allowed_addresses.is_some() {
        return Err(Problem::new(
            ProblemKind::InsufficientScope,
            "A key restricted to methods or addresses can't create environments, which would be unrestricted.",
        ));
    }
    let by_us = access.administrator(&state);
    // What a key creates expires no later than the key, in other environments too.
    let maker = (&*caller.key_id, caller.expires_at.as_deref().copied());
    let (made, key) =
        by_us.create_child_environment(&state.store, &state.keys, &name, maker).await?;
    let result = CreatedEnvironment {
        id: made.id,
        name,
        created_at: made.created_at,
        key_id: key.id,
        key: key.secret.reveal().to_owned(),
    };
    let shown_once = Extension(SecretShownOnce(key.id.to_string()));
    Ok((StatusCode::CREATED, shown_once, Json(ItemResponse::of(result))).into_response())
}

fn check_name(name: &str) -> Result<(), Problem> {
    if (1..=MAX_NAME_LENGTH).contains(&name.chars().count()) {
        return Ok(());
    }
    Err(Problem::new(ProblemKind::InvalidBody, "The name has an invalid length.")
        .with_error("/name", format!("must have 1 to {MAX_NAME_LENGTH} characters")))
}
