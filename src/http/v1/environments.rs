//! `/environments`: the one environment that a key can see, which is its own.

use axum::Json;
use axum::extract::Path;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::answers::{Item, List};
use crate::domain::ids::EnvironmentId;
use crate::domain::page::{MAX_LIMIT, Page};
use crate::http::extract::{Access, NoQuery, Read};
use crate::http::openapi::Problems;
use crate::http::problem::{Problem, ProblemKind};
use crate::store::Environment;

/// An environment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Environment)]
pub(in crate::http) struct ShownEnvironment {
    /// Its id.
    id: EnvironmentId,
    /// Its name.
    name: String,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl From<Environment> for ShownEnvironment {
    fn from(Environment { id, name, created_at }: Environment) -> Self {
        Self { id, name, created_at }
    }
}

/// Lists the environment of the key. Another one needs a key of its own.
#[utoipa::path(get, path = "/environments", tag = "Administration",
    responses((status = 200, description = "The environment", body = List<ShownEnvironment>), Problems))]
pub(in crate::http) async fn list_environments(
    access: Access<Read>,
    _: NoQuery,
) -> Result<Json<List<ShownEnvironment>>, Problem> {
    let items = access.db.environment().await?.into_iter().map(Into::into).collect();
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
    let own = access.db.environment().await?.filter(|own| own.id.to_string() == id);
    let own = own.ok_or_else(|| {
        Problem::new(ProblemKind::NotFound, "The key is of another environment, or there is none.")
    })?;
    Ok(Json(Item::of(own.into())))
}
