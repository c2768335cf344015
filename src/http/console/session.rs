//! The session of a request to the console: who is signed in, what it may do, and which account it looks at.

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde_json::Value;
use url::form_urlencoded;

use super::context::Console;
use super::cookie::SessionCookie;
use super::csrf::{check_csrf, check_origin, csrf_token};
use super::fields::FormFields;
use super::format::Now;
use super::json::Fields as _;
use super::layout;
use super::messages::key_after;
use super::view::{PageError, PageResult, Permissions, SelectedAccount, UrlQuery, View};
use crate::domain::access::Scope;
use crate::domain::sealed::Digest;
use crate::http::extract::{ClientSource, read_whole};
use crate::http::internal_api::{InternalApi, segment};
use crate::http::internal_router::InternalRouter;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::request_context::RequestContext;
use crate::http::state::AppState;
use crate::store::ConsoleSession;

/// The number of accounts in the account switch.
const SWITCH_ACCOUNTS: &str = "50";

impl FromRequestParts<AppState> for Console {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        let Some((session, secret)) = find(parts, state).await.map_err(layout::bare_problem)?
        else {
            return Err(sign_in_first(parts));
        };
        Self::open(parts, state, session, secret).await.map_err(layout::bare_error)
    }
}

/// Returns the valid session of a request with its secret.
async fn find<'p>(
    parts: &'p Parts,
    state: &AppState,
) -> Result<Option<(ConsoleSession, &'p str)>, Problem> {
    let Some(secret) = SessionCookie::Console.read(state, &parts.headers) else {
        return Ok(None);
    };
    let session = state.store.console_session(&Digest::of(secret), state.clock.now()).await?;
    Ok(session.map(|session| (session, secret)))
}

/// Returns the scopes of a session: those of the API that pages need. A key with `admin` could create a key with all of
/// them; without it, the console is read-only.
pub(super) fn scopes(key: &[Scope]) -> Option<&'static [Scope]> {
    if key.contains(&Scope::Admin) {
        return Some(&[Scope::Read, Scope::Write, Scope::Admin]);
    }
    key.contains(&Scope::Read).then_some(&[Scope::Read])
}

/// Redirects to the sign-in, and from there back to the page.
fn sign_in_first(parts: &Parts) -> Response {
    if parts.method != Method::GET {
        let problem = Problem::new(
            ProblemKind::Unauthorized,
            "The session has ended. Sign in and send the form again.",
        );
        return layout::bare_problem(problem);
    }
    let page = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("next", &page).finish();
    Redirect::to(&format!("/console/sign-in?{query}")).into_response()
}

impl Console {
    async fn open(
        parts: &Parts,
        state: &AppState,
        session: ConsoleSession,
        secret: &str,
    ) -> Result<Self, PageError> {
        let request = RequestContext::of(&parts.extensions);
        let source = ClientSource::of(&parts.headers, state, &request);
        if let Some(allowed) = &session.caller.allowed_addresses {
            source.check_networks(allowed)?;
        }
        let scopes = scopes(&session.caller.scopes).ok_or_else(no_scope)?;
        let caller = session.caller_with(scopes);
        if !request.set_caller(&caller, &state.places) {
            let detail = "The environment has reached its share of concurrent requests.";
            return Err(Problem::new(ProblemKind::EnvironmentOverloaded, detail).into());
        }
        let InternalRouter(router) =
            parts.extensions.get::<InternalRouter>().cloned().unwrap_or_else(no_router);
        let db = state.store.tenant(caller.environment_id);
        let is_admin = scopes.contains(&Scope::Admin);
        let may = Permissions { acknowledge: is_admin, apply: is_admin, administer: is_admin };
        let mut view = View {
            api: InternalApi::new(router, caller, &request),
            db,
            base: "/console",
            account: None,
            may,
            csrf: csrf_token(secret),
            now: Now(state.clock.now()),
            query: UrlQuery::parse(parts.uri.query()),
        };
        let accounts = accounts(&view).await?;
        view.account = selected(&view, &accounts).await?;
        let account_id = view.account.as_ref().map(|account| account.id);
        let counts = view.db.attention(account_id, view.time()).await?;
        let environment = view.db.environment().await?.map(|own| own.name).unwrap_or_default();
        Ok(Self {
            state: state.clone(),
            view,
            session_id: session.id,
            session_digest: Digest::of(secret),
            key_name: session.key_name,
            environment,
            accounts,
            counts,
            path: parts.uri.path().to_owned(),
        })
    }

    /// Returns a page within the frame of the console.
    pub(super) fn respond(&self, page: PageResult) -> Response {
        layout::respond(self, page)
    }
}

fn no_router() -> InternalRouter {
    InternalRouter(Router::new())
}

fn no_scope() -> Problem {
    Problem::new(
        ProblemKind::InsufficientScope,
        "The console requires a key with the scope `read` or `admin`.",
    )
}

async fn accounts(view: &View) -> Result<Vec<Value>, PageError> {
    let list = view.api.get("/integrated-accounts", &[("limit", SWITCH_ACCOUNTS)]).await?;
    Ok(list.list("result").to_vec())
}

/// Returns the account that the URL names, or the first one that is not disconnected.
async fn selected(view: &View, accounts: &[Value]) -> Result<Option<SelectedAccount>, PageError> {
    let Some(named) = view.query.get("account") else {
        let mut some = accounts.iter().filter(|one| one.text("status") != "disconnected");
        return Ok(some.next().or(accounts.first()).and_then(parse_account));
    };
    if let Some(known) = accounts.iter().find(|one| one.text("id") == named) {
        return Ok(parse_account(known));
    }
    let path = format!("/integrated-accounts/{}", segment(named));
    Ok(parse_account(view.api.get(&path, &[]).await?.field("result")))
}

/// Selects another account than that of the query.
pub(super) async fn select_account(console: &mut Console, id: &str) -> Result<(), PageError> {
    let is_selected = console.view.account.as_ref().is_some_and(|account| account.id.text() == id);
    if !is_selected {
        let path = format!("/integrated-accounts/{}", segment(id));
        let found = console.view.api.get(&path, &[]).await?;
        console.view.account = parse_account(found.field("result"));
    }
    Ok(())
}

/// Selects the account of an object of the API.
pub(super) async fn select_owner(console: &mut Console, path: &str) -> Result<(), PageError> {
    let found = console.view.api.get(path, &[]).await?;
    let owner = found.text("/result/integrated_account_id").to_owned();
    select_account(console, &owner).await
}

fn parse_account(value: &Value) -> Option<SelectedAccount> {
    Some(SelectedAccount { id: value.text("id").parse().ok()?, value: value.clone() })
}

/// A form that changes something: sent by a page of this server, in its session, with a key that may change.
pub(super) struct ConsoleForm {
    /// The session.
    pub(super) console: Console,
    /// The fields.
    pub(super) fields: FormFields,
}

impl FromRequest<AppState> for ConsoleForm {
    type Rejection = Response;

    async fn from_request(request: Request<Body>, state: &AppState) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        check_origin(state, &parts.headers).map_err(layout::bare_problem)?;
        let console = Console::from_request_parts(&mut parts, state).await?;
        let context = RequestContext::of(&parts.extensions);
        let checked = read_whole(body, state, &context).await.and_then(|bytes| {
            let fields = FormFields::parse(&bytes);
            check_csrf(&console.view.csrf, fields.get("csrf"))?;
            Ok(fields)
        });
        match checked {
            Ok(fields) => Ok(Self { console, fields }),
            Err(problem) => Err(console.respond(Err(problem.into()))),
        }
    }
}

impl ConsoleForm {
    /// Sends a change to the API. Shows the page at `path` with the message `done` after it, or the problem.
    pub(super) async fn change(
        &self,
        (method, api_path): (Method, &str),
        body: Option<&Value>,
        (path, done): (&str, &str),
    ) -> Response {
        let sent = self.console.view.api.send(method, api_path, &[], body).await;
        self.show(path, sent.map(|_| done).map_err(PageError::from))
    }

    /// Shows the page at `path` with the message of a key after a change, or the problem.
    pub(super) fn show(&self, path: &str, done: Result<&str, PageError>) -> Response {
        match key_after(done) {
            Ok(done) => self.console.done(path, done),
            Err(error) => self.console.respond(Err(error)),
        }
    }
}
