//! The session of a visitor: one account, its pages and permissions. Both are checked here at each page and action, and
//! the account by the API again, because the visitor is a caller that is bound to it.

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde_json::Value;

use super::frame;
use super::visit::Visit;
use crate::domain::portal::{PortalPermission, PortalView};
use crate::domain::sealed::Digest;
use crate::http::console::cookie::SessionCookie;
use crate::http::console::csrf::{check_csrf, check_origin, csrf_token};
use crate::http::console::fields::FormFields;
use crate::http::console::format::Now;
use crate::http::console::json::Fields as _;
use crate::http::console::messages::key_after;
use crate::http::console::view::{
    PageError, PageResult, Permissions, SelectedAccount, UrlQuery, View,
};
use crate::http::extract::read_whole;
use crate::http::internal_api::{InternalApi, segment};
use crate::http::internal_router::InternalRouter;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::request_context::RequestContext;
use crate::http::state::AppState;
use crate::store::PortalSession;

impl FromRequestParts<AppState> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        let secret = SessionCookie::Portal.read(state, &parts.headers).unwrap_or_default();
        let digest = Digest::of(secret);
        let found = state.store.portal_session(&digest, state.clock.now()).await;
        let session = match found {
            Ok(Some(session)) => session,
            Ok(None) => {
                return Err(frame::ended(&frame::known_branding(state, &digest).await));
            }
            Err(error) => return Err(frame::bare_problem(&Problem::from(error))),
        };
        let csrf = csrf_token(secret);
        match Self::open(parts, state, (session, digest), csrf).await {
            Ok(visit) => Ok(visit),
            Err(PageError::Failure(failure)) => Err(frame::bare(failure.status, &failure.problem)),
            Err(PageError::NoAccount | PageError::Refused(..)) => {
                Err(frame::ended(&frame::known_branding(state, &digest).await))
            }
        }
    }
}

impl Visit {
    async fn open(
        parts: &Parts,
        state: &AppState,
        (session, session_digest): (PortalSession, Digest),
        csrf: String,
    ) -> Result<Self, PageError> {
        let request = RequestContext::of(&parts.extensions);
        if !request.set_caller(&session.caller, &state.places) {
            let detail = "The environment has reached its share of concurrent requests.";
            return Err(Problem::new(ProblemKind::EnvironmentOverloaded, detail).into());
        }
        let router = parts.extensions.get::<InternalRouter>().cloned();
        let InternalRouter(router) = router.unwrap_or_else(|| InternalRouter(Router::new()));
        let db = state.store.tenant(session.caller.environment_id);
        let api = InternalApi::new(router, session.caller.clone(), &request);
        let path = format!("/integrated-accounts/{}", segment(&session.account_id.text()));
        let account = api.get(&path, &[]).await?;
        let account =
            SelectedAccount { id: session.account_id, value: account.field("result").clone() };
        let may = Permissions {
            acknowledge: session.permissions.contains(&PortalPermission::Acknowledge),
            apply: session.permissions.contains(&PortalPermission::Apply),
            administer: false,
        };
        let page = db.link_page_settings().await?;
        let view = View {
            api,
            db,
            base: "/portal",
            account: Some(account),
            may,
            csrf,
            now: Now(state.clock.now()),
            query: UrlQuery::parse(parts.uri.query()),
        };
        let path = parts.uri.path().to_owned();
        Ok(Self { state: state.clone(), view, page, session, session_digest, path })
    }

    /// Returns a page within the frame of the hosted view.
    pub(super) fn respond(&self, page: PageResult) -> Response {
        frame::respond(self, page)
    }

    /// Returns the redirect to a page after a change; `done` is the key of the message.
    pub(super) fn done(&self, path: &str, done: &str) -> Response {
        Redirect::to(&self.view.href(path, &[("done", done)])).into_response()
    }

    /// Returns the page of a change that does not exist.
    pub(super) fn unknown(&self) -> Response {
        let problem = Problem::new(ProblemKind::RouteNotFound, "No such change exists.");
        self.respond(Err(problem.into()))
    }
}

/// A form of a visitor: sent by a page of this server, in its session.
pub(super) struct PortalForm {
    /// The visit.
    pub(super) visit: Visit,
    /// The fields.
    pub(super) fields: FormFields,
}

impl FromRequest<AppState> for PortalForm {
    type Rejection = Response;

    async fn from_request(request: Request<Body>, state: &AppState) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        check_origin(state, &parts.headers).map_err(|problem| frame::bare_problem(&problem))?;
        let visit = Visit::from_request_parts(&mut parts, state).await?;
        let context = RequestContext::of(&parts.extensions);
        let checked = read_whole(body, state, &context).await.and_then(|bytes| {
            let fields = FormFields::parse(&bytes);
            check_csrf(&visit.view.csrf, fields.get("csrf"))?;
            Ok(fields)
        });
        match checked {
            Ok(fields) => Ok(Self { visit, fields }),
            Err(problem) => Err(visit.respond(Err(problem.into()))),
        }
    }
}

impl PortalForm {
    /// Sends a change to the API if the session has its page and its permission, and returns the response.
    pub(super) async fn send(
        &self,
        (view, permission): (PortalView, PortalPermission),
        (method, api_path): (Method, &str),
        body: Option<&Value>,
    ) -> Result<Value, PageError> {
        let visit = &self.visit;
        visit.check_view(view)?;
        visit.check_permission(permission)?;
        Ok(visit.view.api.send(method, api_path, &[], body).await?)
    }

    /// Sends a change as [`Self::send`] does. Shows the page at `path` with the message `done`, or the problem.
    pub(super) async fn change(
        &self,
        needs: (PortalView, PortalPermission),
        call: (Method, &str),
        body: Option<&Value>,
        (path, done): (&str, &str),
    ) -> Response {
        self.show(path, self.send(needs, call, body).await.map(|_| done))
    }

    /// Shows the page at `path` with the message of a key after a change, or the problem.
    pub(super) fn show(&self, path: &str, done: Result<&str, PageError>) -> Response {
        match key_after(done) {
            Ok(done) => self.visit.done(path, done),
            Err(error) => self.visit.respond(Err(error)),
        }
    }
}
