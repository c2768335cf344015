//! Our own API, a file a resource. The four resources of the unified API differ in their type alone,
//! so their lists and lookups are two functions.

pub(super) mod account_tokens;
pub(super) mod answers;
pub(super) mod api_keys;
pub(super) mod audit_log;
pub(super) mod batch;
pub(super) mod environments;
pub(super) mod events;
pub(super) mod groups;
pub(super) mod integrated_accounts;
pub(super) mod link_tokens;
pub(super) mod mappings;
pub(super) mod me;
pub(super) mod provider_apps;
pub(super) mod role_assignments;
pub(super) mod roles;
pub(super) mod users;
pub(super) mod workspace_members;
pub(super) mod workspaces;

use axum::Json;
use axum::response::{IntoResponse as _, Response};

use self::answers::{Item, List};
use super::extract::{Account, ItemQuery, ListQuery, Read};
use super::problem::Problem;
use super::state::Services;
use crate::unified::{Resource, ShownPage};

/// A page of a resource.
async fn list<T: Resource>(
    services: &Services,
    account: &Account<Read>,
    query: ListQuery<T>,
) -> Result<Response, Problem> {
    let directory = account.directory(services, query.shape.wants_remote());
    let ShownPage { page, warnings } = directory.list(&query.wish, &query.shape).await?;
    let list = List { warnings, ..List::of(page, query.wish.limit) };
    Ok(list.written())
}

/// One of a resource.
async fn get<T: Resource>(
    services: &Services,
    account: &Account<Read>,
    id: &str,
    query: ItemQuery,
) -> Result<Response, Problem> {
    let directory = account.directory(services, query.shape.wants_remote());
    let shown = directory.get::<T>(id, &query.shape).await?;
    Ok(Json(Item::shown(shown)).into_response())
}
