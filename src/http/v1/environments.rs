//! `/environments`: the one environment that a key can see, which is its own; and another one, made.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::answers::{Item, List};
use crate::domain::ids::{ApiKeyId, EnvironmentId};
use crate::domain::link_page::LinkPage;
use crate::domain::page::{MAX_LIMIT, Page};
use crate::http::extract::{Access, Admin, Body, NoQuery, Read};
use crate::http::idempotency::ShownOnce;
use crate::http::openapi::Problems;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::AppState;
use crate::store::{Environment, TenantDb};

/// The longest name of an environment.
const LONGEST_NAME: usize = 100;

/// An environment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Environment)]
pub(in crate::http) struct ShownEnvironment {
    /// Its id.
    id: EnvironmentId,
    /// Its name.
    name: String,
    /// How its link page looks, and who may open it.
    link_page: LinkPage,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// The key of another environment that made it; `null` when none did.
    made_by: Option<String>,
}

/// The environment of a key.
async fn own(db: &TenantDb) -> Result<Option<ShownEnvironment>, Problem> {
    let Some(Environment { id, name, created_at, made_by }) = db.environment().await? else {
        return Ok(None);
    };
    let link_page = db.link_page().await?;
    Ok(Some(ShownEnvironment { id, name, link_page, created_at, made_by }))
}

/// The environment of a key, when it has that id.
async fn own_named(db: &TenantDb, id: &str) -> Result<ShownEnvironment, Problem> {
    own(db).await?.filter(|own| own.id.to_string() == id).ok_or_else(|| {
        Problem::new(ProblemKind::NotFound, "The key is of another environment, or there is none.")
    })
}

/// Lists the environment of the key. Another one needs a key of its own.
#[utoipa::path(get, path = "/environments", tag = "Administration",
    responses((status = 200, description = "The environment", body = List<ShownEnvironment>), Problems))]
pub(in crate::http) async fn list_environments(
    access: Access<Read>,
    _: NoQuery,
) -> Result<Json<List<ShownEnvironment>>, Problem> {
    access.refuse_account_token("the settings of the environment")?;
    let items = own(&access.db).await?.into_iter().collect();
    Ok(Json(List::of(Page { items, next: None }, MAX_LIMIT)))
}

/// Reads the environment of the key.
#[utoipa::path(get, path = "/environments/{id}", tag = "Administration",
    params(("id" = EnvironmentId, Path, description = "The environment's id")),
    responses((status = 200, description = "The environment", body = Item<ShownEnvironment>), Problems))]
pub(in crate::http) async fn get_environment(
    access: Access<Read>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<Item<ShownEnvironment>>, Problem> {
    access.refuse_account_token("the settings of the environment")?;
    Ok(Json(Item::of(own_named(&access.db, &id).await?)))
}

/// A change of an environment; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"link_page": {"name": "Acme HR", "accent_color": "#7a3cff"}}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct EnvironmentChange {
    /// Its name: a label, which need not be unique.
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
    /// How the link page looks, and who may open it: as a whole, in the place of what was there.
    link_page: Option<LinkPage>,
}

/// Changes the environment of the key: its name, how its link page looks, and which web pages may open it.
#[utoipa::path(patch, path = "/environments/{id}", tag = "Administration",
    params(("id" = EnvironmentId, Path, description = "The environment's id")),
    request_body = EnvironmentChange,
    responses((status = 200, description = "The environment as it is now", body = Item<ShownEnvironment>), Problems))]
pub(in crate::http) async fn change_environment(
    State(state): State<AppState>,
    access: Access<Admin>,
    Path(id): Path<String>,
    _: NoQuery,
    Body(EnvironmentChange { name, link_page }): Body<EnvironmentChange>,
) -> Result<Json<Item<ShownEnvironment>>, Problem> {
    let mut own = own_named(&access.db, &id).await?;
    let flaws = link_page.as_ref().map(LinkPage::flaws).unwrap_or_default();
    if !flaws.is_empty() {
        return Err(Problem::flawed(flaws));
    }
    if let Some(name) = name {
        check_name(&name)?;
        access.administrator(&state).rename_environment(&name).await?;
        own.name = name;
    }
    if let Some(link_page) = link_page {
        let entry = access.entry(&state, "environment.changed", (None, Some(&id)));
        access.db.set_link_page(&link_page, &entry).await?;
        own.link_page = link_page;
    }
    Ok(Json(Item::of(own)))
}

/// The wish for an environment.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"name": "staging"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct NewEnvironment {
    /// Its name: a label, which need not be unique.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
}

/// A new environment and its first key. The key is shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct MadeEnvironment {
    /// Its id.
    id: EnvironmentId,
    /// Its name.
    name: String,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// The id of its first key.
    key_id: ApiKeyId,
    /// Its first key, with the scope `admin` alone: what stands behind `Bearer`. It ends with the key that made it.
    key: String,
}

/// Makes another environment. The key that makes it sees nothing of it: the first key of the new one is in the answer.
#[utoipa::path(post, path = "/environments", tag = "Administration", request_body = NewEnvironment,
    responses((status = 201, description = "The environment, its key shown once", body = Item<MadeEnvironment>), Problems))]
pub(in crate::http) async fn create_environment(
    State(state): State<AppState>,
    access: Access<Admin>,
    _: NoQuery,
    Body(NewEnvironment { name }): Body<NewEnvironment>,
) -> Result<Response, Problem> {
    check_name(&name)?;
    let caller = &access.caller;
    if caller.allowed_methods.is_some() || caller.allowed_addresses.is_some() {
        return Err(Problem::new(
            ProblemKind::InsufficientScope,
            "A key that is bound to methods or addresses can't make environments, which would not be.",
        ));
    }
    let by_us = access.administrator(&state);
    // What a key makes ends no later than the key, in another environment too.
    let maker = (&*caller.key_id, caller.ends_at.as_deref().copied());
    let (made, key) = by_us.make_environment(&state.store, &state.keys, &name, maker).await?;
    let result = MadeEnvironment {
        id: made.id,
        name,
        created_at: made.created_at,
        key_id: key.id,
        key: key.secret.reveal().to_owned(),
    };
    let shown_once = Extension(ShownOnce(key.id.to_string()));
    Ok((StatusCode::CREATED, shown_once, Json(Item::of(result))).into_response())
}

fn check_name(name: &str) -> Result<(), Problem> {
    if (1..=LONGEST_NAME).contains(&name.chars().count()) {
        return Ok(());
    }
    Err(Problem::new(ProblemKind::InvalidBody, "The name can't be used.")
        .at("/name", format!("must have 1 to {LONGEST_NAME} characters")))
}
