//! `/environments`: the one environment that a key can see, which is its own.

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::answers::{Item, List};
use crate::domain::ids::EnvironmentId;
use crate::domain::link_page::LinkPage;
use crate::domain::page::{MAX_LIMIT, Page};
use crate::http::extract::{Access, Admin, Body, NoQuery, Read};
use crate::http::openapi::Problems;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::AppState;
use crate::store::{Environment, Outcome, TenantDb};

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
}

/// The environment of a key.
async fn own(db: &TenantDb) -> Result<Option<ShownEnvironment>, Problem> {
    let Some(Environment { id, name, created_at }) = db.environment().await? else {
        return Ok(None);
    };
    let link_page = db.link_page().await?;
    Ok(Some(ShownEnvironment { id, name, link_page, created_at }))
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
    Ok(Json(Item::of(own_named(&access.db, &id).await?)))
}

/// A change of an environment.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"link_page": {"name": "Acme HR", "accent_color": "#7a3cff"}}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct EnvironmentChange {
    /// How the link page looks, and who may open it: as a whole, in the place of what was there.
    link_page: LinkPage,
}

/// Changes the environment of the key: how its link page looks, and which web pages may open it.
#[utoipa::path(patch, path = "/environments/{id}", tag = "Administration",
    params(("id" = EnvironmentId, Path, description = "The environment's id")),
    request_body = EnvironmentChange,
    responses((status = 200, description = "The environment as it is now", body = Item<ShownEnvironment>), Problems))]
pub(in crate::http) async fn change_environment(
    State(state): State<AppState>,
    access: Access<Admin>,
    Path(id): Path<String>,
    _: NoQuery,
    Body(EnvironmentChange { link_page }): Body<EnvironmentChange>,
) -> Result<Json<Item<ShownEnvironment>>, Problem> {
    let mut own = own_named(&access.db, &id).await?;
    let flaws = link_page.flaws();
    if !flaws.is_empty() {
        return Err(Problem::flawed(flaws));
    }
    access.db.set_link_page(&link_page).await?;
    access.audit(&state, "environment.changed", (None, Some(&id)), Outcome::Done).await?;
    own.link_page = link_page;
    Ok(Json(Item::of(own)))
}
