//! `/portal-links`: one-time links to the hosted view of one account's directory.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use super::response::{EnvelopeSchema, ItemResponse};
use crate::domain::access::Scope;
use crate::domain::ids::{IntegratedAccountId, PortalLinkId};
use crate::domain::portal::{PortalPermission, PortalView};
use crate::http::extract::{Access, JsonBody, NoQuery, Write};
use crate::http::idempotency::SecretShownOnce;
use crate::http::problem::{Problem, ProblemKind, Problems};
use crate::http::state::AppState;
use crate::store::{NewPortalLink, PORTAL_ACCOUNT_CONSTRAINT, StoreError};
use crate::vault::issue;

type CreatedPortalLinkResponse = EnvelopeSchema<ItemResponse<CreatedPortalLink>>;

/// Default lifetime in seconds: five minutes.
const DEFAULT_LIFETIME_S: u32 = 300;
/// Range of the lifetime in seconds: up to a day.
const LIFETIMES_S: std::ops::RangeInclusive<u32> = 30..=86_400;

/// Request body for creating a link to the hosted directory view.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"integrated_account_id": "acc_01J8ZQ5V9Y3M7T2K4N6P8R0S1T", "views": ["directory", "drift"], "permissions": ["read", "acknowledge"]}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CreatePortalLinkRequest {
    /// Account whose directory it shows.
    integrated_account_id: IntegratedAccountId,
    /// Pages that it shows.
    #[schema(min_items = 1)]
    views: Vec<PortalView>,
    /// What its visitor may do; by default only `read`, which the others include.
    #[serde(default)]
    permissions: Vec<PortalPermission>,
    /// Lifetime of the link in seconds, until it is opened. Its session then lasts an hour.
    #[serde(default = "default_lifetime")]
    #[schema(default = 300, minimum = 30, maximum = 86_400)]
    expires_in_s: u32,
}

fn default_lifetime() -> u32 {
    DEFAULT_LIFETIME_S
}

/// A new link to the hosted directory view. It is returned once.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct CreatedPortalLink {
    /// Id; the actor of the visitor's changes in the audit log.
    id: PortalLinkId,
    /// The link, for one browser, once.
    #[schema(example = "https://gateway.example.com/portal/open/sb_portal_EXAMPLE")]
    portal_url: String,
    /// Expiry of the link.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

/// Create a portal link
///
/// Returns a link that opens the hosted view of one account's directory once, for an hour: for the customer's
/// administrators, in your product. It has the branding of the environment and can be framed by the origins of its
/// `link_page` only. The link and its session end with the key that creates it, which needs the scope `read` as well.
#[utoipa::path(post, path = "/portal-links", tag = "Linking", request_body = CreatePortalLinkRequest,
    responses((status = 201, description = "The new link", body = CreatedPortalLinkResponse), Problems))]
pub(in crate::http) async fn create_portal_link(
    State(state): State<AppState>,
    access: Access<Write>,
    _: NoQuery,
    JsonBody(body): JsonBody<CreatePortalLinkRequest>,
) -> Result<Response, Problem> {
    access.reject_account_token("portal links")?;
    if !access.caller.scopes.contains(&Scope::Read) {
        let detail = "A portal link shows a directory. It requires the scope `read` as well.";
        return Err(Problem::new(ProblemKind::InsufficientScope, detail));
    }
    let CreatePortalLinkRequest { integrated_account_id, mut views, mut permissions, expires_in_s } =
        body;
    let invalid = |pointer: &str, message: &str| {
        Problem::new(ProblemKind::InvalidBody, "The portal link is invalid.")
            .with_error(pointer, message)
    };
    if views.is_empty() {
        return Err(invalid("/views", "must have one page at least"));
    }
    if !LIFETIMES_S.contains(&expires_in_s) {
        return Err(invalid("/expires_in_s", "must be between 30 and 86400"));
    }
    permissions.push(PortalPermission::Read);
    views.sort_unstable();
    views.dedup();
    permissions.sort_unstable();
    permissions.dedup();
    let token = issue("sb_portal_", &*state.entropy);
    let now = state.clock.now();
    let new = NewPortalLink {
        id: PortalLinkId::generate(&*state.clock, &*state.entropy),
        digest: token.digest(),
        account_id: integrated_account_id,
        views: &views,
        permissions: &permissions,
        made_by: &access.caller.key_id,
        now,
        expires_at: now + Duration::seconds(expires_in_s.into()),
    };
    let subject = new.id.text();
    let about = (Some(integrated_account_id), Some(subject.as_str()));
    let entry = access.audit_entry(&state, "portal_link.created", about);
    let expires_at = access.db.insert_portal_link(&new, &entry).await.map_err(problem)?;
    let expires_at = expires_at
        .ok_or_else(|| Problem::new(ProblemKind::Unauthorized, "The key was revoked meanwhile."))?;
    let url = state.links.public_url.join("portal/open/").and_then(|url| url.join(token.reveal()));
    let result = CreatedPortalLink {
        id: new.id,
        portal_url: url.map_err(|_| Problem::internal())?.into(),
        expires_at,
    };
    let shown_once = Extension(SecretShownOnce(subject));
    Ok((StatusCode::CREATED, shown_once, Json(ItemResponse::of(result))).into_response())
}

fn problem(error: StoreError) -> Problem {
    if matches!(&error, StoreError::Conflict(constraint) if constraint == PORTAL_ACCOUNT_CONSTRAINT)
    {
        let detail = "No account with this id exists in this environment.";
        return Problem::new(ProblemKind::AccountNotFound, detail);
    }
    error.into()
}
