//! `/oauth/v2/authorize`: the consent page and its form.

use std::collections::HashMap;

use axum::Form;
use axum::extract::{Query, RawQuery, State};
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use url::Url;

use super::page::{ConsentView, consent_page, error_page};
use crate::sandbox::grants::{CodeRequest, InstallTarget, Installation, OAuthErrorCode};
use crate::sandbox::org::{GridOrganization, OrgLevel, Person};
use crate::sandbox::{Sandbox, SlackApp};

/// Form of the consent page.
#[derive(Debug, Deserialize)]
pub(super) struct ConsentDecision {
    decision: String,
    #[serde(default)]
    install: Option<String>,
    #[serde(default)]
    team: Option<String>,
    #[serde(default)]
    user: Option<String>,
}

/// A valid authorization request.
#[derive(Debug)]
struct ConsentRequest {
    app: SlackApp,
    /// The redirect URI as sent; the token request must repeat it.
    raw_redirect_uri: String,
    redirect_uri: Url,
    state: Option<String>,
    user_scopes: Vec<String>,
    bot_scopes: Vec<String>,
    challenge: Option<String>,
    team: Option<String>,
}

/// Query parameters by name.
type QueryParams = HashMap<String, String>;

/// Shows the consent page.
pub(super) fn show_consent(
    State(sandbox): State<Sandbox>,
    Query(query): Query<QueryParams>,
    RawQuery(raw): RawQuery,
) -> std::future::Ready<Response> {
    let response = match parse_request(&sandbox, &query) {
        Err(error) => oauth_error(error),
        Ok(consent) => sandbox.with_org(|org| {
            let view = ConsentView {
                app: &consent.app,
                org,
                user_scopes: &consent.user_scopes,
                bot_scopes: &consent.bot_scopes,
                query: raw.as_deref().unwrap_or_default(),
                team: consent.team.as_deref(),
                redirect_uri: &consent.redirect_uri,
            };
            Html(consent_page(&view).into_string()).into_response()
        }),
    };
    std::future::ready(response)
}

/// Redirects to the app with a code, or with `access_denied`.
pub(super) fn decide_consent(
    State(sandbox): State<Sandbox>,
    Query(query): Query<QueryParams>,
    Form(choice): Form<ConsentDecision>,
) -> std::future::Ready<Response> {
    let decided =
        parse_request(&sandbox, &query).map(|consent| apply_decision(&sandbox, consent, &choice));
    std::future::ready(decided.unwrap_or_else(oauth_error))
}

fn apply_decision(
    sandbox: &Sandbox,
    consent: ConsentRequest,
    choice: &ConsentDecision,
) -> Response {
    match choice.decision.as_str() {
        "approve" => {}
        "cancel" => {
            return redirect(consent.redirect_uri, "error", "access_denied", consent.state);
        }
        _ => {
            return bad_request("invalid_arguments", "decision must be approve or cancel.");
        }
    }
    let granted = sandbox.with_org(|org| approved_installation(org, &consent, choice));
    let grant = match granted {
        Ok(grant) => grant,
        Err((code, text)) => return bad_request(code, text),
    };
    let now = sandbox.now().unix_timestamp();
    let ConsentRequest { raw_redirect_uri: address, redirect_uri, state, challenge, .. } = consent;
    let request = CodeRequest { grant, redirect_uri: address, challenge };
    let code = sandbox.change_grants(|grants| grants.issue_code(request, now));
    redirect(redirect_uri, "code", &code, state)
}

/// Returns the installation that the user approves.
fn approved_installation(
    org: &GridOrganization,
    consent: &ConsentRequest,
    choice: &ConsentDecision,
) -> Result<Installation, (&'static str, &'static str)> {
    let person = match choice.user.as_deref().filter(|id| !id.is_empty()) {
        None => org.primary_owner(),
        Some(id) => org.find(id).map(|(_, person)| person),
    };
    let person = person
        .filter(|person| person.is_active() && !person.is_bot())
        .ok_or(("user_not_found", "No active user has this id."))?;
    // The page's picker sends `team`; a program may send `install` instead.
    let team = choice.team.as_deref().filter(|id| !id.is_empty());
    let install = match (choice.install.as_deref(), team) {
        (None, Some(id)) if id != org.id => workspace_install(org, Some(id), person)?,
        (None | Some("org"), _) => org_install(person)?,
        (Some("workspace"), team) => workspace_install(org, team, person)?,
        (Some(_), _) => return Err(("invalid_arguments", "install must be org or workspace.")),
    };
    let bot = org.people().iter().find(|person| person.is_bot()).map(|bot| bot.id.clone());
    Ok(Installation {
        client_id: consent.app.client_id.clone(),
        user_id: person.id.clone(),
        bot_user_id: bot.filter(|_| !consent.bot_scopes.is_empty()),
        install,
        user_scopes: consent.user_scopes.clone(),
        bot_scopes: consent.bot_scopes.clone(),
        // Redirect URIs with a custom scheme always get rotating tokens.
        rotation: consent.app.rotation
            || !matches!(consent.redirect_uri.scheme(), "http" | "https"),
        public: consent.app.public,
        live: true,
    })
}

fn org_install(person: &Person) -> Result<InstallTarget, (&'static str, &'static str)> {
    if person.org_level >= OrgLevel::Admin {
        Ok(InstallTarget::Org)
    } else {
        Err(("not_an_admin", "This installation needs an org owner or org admin."))
    }
}

fn workspace_install(
    org: &GridOrganization,
    team: Option<&str>,
    person: &Person,
) -> Result<InstallTarget, (&'static str, &'static str)> {
    let found = match team {
        Some(id) => org.workspace(id),
        None => org.workspaces.iter().enumerate().next(),
    };
    let (number, workspace) = found.ok_or(("team_not_found", "No workspace has this id."))?;
    if person.membership(number).is_none() {
        return Err(("user_not_in_team", "The user is not a member of this workspace."));
    }
    Ok(InstallTarget::Workspace(workspace.id.clone()))
}

fn parse_request(sandbox: &Sandbox, query: &QueryParams) -> Result<ConsentRequest, OAuthErrorCode> {
    let client_id = query.get("client_id").ok_or(OAuthErrorCode::InvalidClientId)?;
    let app = sandbox.app(client_id).ok_or(OAuthErrorCode::InvalidClientId)?;
    let address = query.get("redirect_uri").ok_or(OAuthErrorCode::BadRedirectUri)?;
    if !app.allows_redirect(address) {
        return Err(OAuthErrorCode::BadRedirectUri);
    }
    let redirect_uri = Url::parse(address).map_err(|_| OAuthErrorCode::BadRedirectUri)?;
    let user_scopes = scopes(query.get("user_scope"))?;
    let bot_scopes = scopes(query.get("scope"))?;
    if user_scopes.is_empty() && bot_scopes.is_empty() {
        return Err(OAuthErrorCode::NoScopes);
    }
    // Administrative scopes are for users: bots cannot have them.
    let is_admin = |scope: &String| scope == "admin" || scope.starts_with("admin.");
    if bot_scopes.iter().any(is_admin) {
        return Err(OAuthErrorCode::InvalidScope);
    }
    let challenge = query.get("code_challenge").filter(|challenge| !challenge.is_empty()).cloned();
    let method = query.get("code_challenge_method").map(String::as_str);
    // A SHA-256 digest in base64url without padding has 43 characters.
    if challenge.as_ref().is_some_and(|one| one.len() != 43 || method != Some("S256")) {
        return Err(OAuthErrorCode::InvalidCodeChallenge);
    }
    let foreign = !matches!(redirect_uri.scheme(), "http" | "https");
    if foreign && challenge.is_none() {
        return Err(OAuthErrorCode::InvalidCodeChallenge);
    }
    if app.is_native_redirect(&redirect_uri) && !bot_scopes.is_empty() {
        return Err(OAuthErrorCode::InvalidScope);
    }
    let state = query.get("state").cloned();
    let team = query.get("team").cloned();
    let address = address.clone();
    Ok(ConsentRequest {
        app,
        raw_redirect_uri: address,
        redirect_uri,
        state,
        user_scopes,
        bot_scopes,
        challenge,
        team,
    })
}

/// Parses scopes, separated by commas or spaces, and removes duplicates.
fn scopes(text: Option<&String>) -> Result<Vec<String>, OAuthErrorCode> {
    let mut scopes: Vec<String> = Vec::new();
    let text = text.map(String::as_str).unwrap_or_default();
    for scope in text.split([',', ' ']).filter(|scope| !scope.is_empty()) {
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "._:-".contains(letter);
        if !scope.chars().all(fits) {
            return Err(OAuthErrorCode::InvalidScope);
        }
        if !scopes.iter().any(|other| other == scope) {
            scopes.push(scope.to_owned());
        }
    }
    Ok(scopes)
}

fn redirect(mut to: Url, name: &str, value: &str, state: Option<String>) -> Response {
    let mut pairs = to.query_pairs_mut();
    pairs.append_pair(name, value);
    if let Some(state) = state {
        pairs.append_pair("state", &state);
    }
    drop(pairs);
    match HeaderValue::from_str(to.as_str()) {
        Ok(location) => (StatusCode::FOUND, [(header::LOCATION, location)]).into_response(),
        Err(_) => oauth_error(OAuthErrorCode::BadRedirectUri),
    }
}

fn oauth_error(error: OAuthErrorCode) -> Response {
    let text = match error {
        OAuthErrorCode::InvalidClientId => "No app has this client_id.",
        OAuthErrorCode::BadRedirectUri => "The app has not registered this redirect_uri.",
        OAuthErrorCode::NoScopes => "The request has neither scope nor user_scope.",
        OAuthErrorCode::InvalidScope => "A scope is malformed, or not available to bots.",
        OAuthErrorCode::InvalidCodeChallenge => {
            "code_challenge is missing, or code_challenge_method is not S256."
        }
        OAuthErrorCode::BadClientSecret
        | OAuthErrorCode::InvalidCode
        | OAuthErrorCode::CodeAlreadyUsed
        | OAuthErrorCode::InvalidCodeVerifier
        | OAuthErrorCode::InvalidGrantType
        | OAuthErrorCode::InvalidRefreshToken
        | OAuthErrorCode::PkceNotAllowed
        | OAuthErrorCode::InvalidToken
        | OAuthErrorCode::TokenAlreadyExchanged
        | OAuthErrorCode::TokenRotationNotEnabled
        | OAuthErrorCode::AuthorizationNotFound => "The authorization request is invalid.",
    };
    bad_request(&error.to_string(), text)
}

fn bad_request(code: &str, text: &str) -> Response {
    (StatusCode::BAD_REQUEST, Html(error_page(code, text).into_string())).into_response()
}
