//! `/oauth/v2/authorize`: the consent page, and what its two buttons do.

use std::collections::HashMap;

use axum::Form;
use axum::extract::{Query, RawQuery, State};
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use url::Url;

use super::page::{ConsentView, consent_page, trouble_page};
use crate::sandbox::grants::{CodeRequest, Grant, Install, OAuthError};
use crate::sandbox::org::{OrgLevel, Organization, Person};
use crate::sandbox::{App, Sandbox};

/// The choices of the person at the consent page.
#[derive(Debug, Deserialize)]
pub(super) struct Choice {
    decision: String,
    #[serde(default)]
    install: Option<String>,
    #[serde(default)]
    team: Option<String>,
    #[serde(default)]
    user: Option<String>,
}

/// A request for consent that makes sense.
#[derive(Debug)]
struct Consent {
    app: App,
    /// The address as it was written, which the exchange must repeat.
    address: String,
    redirect_uri: Url,
    state: Option<String>,
    user_scopes: Vec<String>,
    bot_scopes: Vec<String>,
    challenge: Option<String>,
    team: Option<String>,
}

type Parameters = HashMap<String, String>;

/// Shows who asks for what.
pub(super) fn show_consent(
    State(sandbox): State<Sandbox>,
    Query(query): Query<Parameters>,
    RawQuery(raw): RawQuery,
) -> std::future::Ready<Response> {
    let response = match read(&sandbox, &query) {
        Err(error) => refuse(error),
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

/// Sends the browser back with a code, or with the refusal.
pub(super) fn decide_consent(
    State(sandbox): State<Sandbox>,
    Query(query): Query<Parameters>,
    Form(choice): Form<Choice>,
) -> std::future::Ready<Response> {
    let decided = read(&sandbox, &query).map(|consent| decide(&sandbox, consent, &choice));
    std::future::ready(decided.unwrap_or_else(refuse))
}

fn decide(sandbox: &Sandbox, consent: Consent, choice: &Choice) -> Response {
    match choice.decision.as_str() {
        "approve" => {}
        "cancel" => {
            return redirect(consent.redirect_uri, "error", "access_denied", consent.state);
        }
        _ => {
            return trouble("invalid_arguments", "The form says neither approve nor cancel.");
        }
    }
    let granted = sandbox.with_org(|org| grant(org, &consent, choice));
    let grant = match granted {
        Ok(grant) => grant,
        Err((code, text)) => return trouble(code, text),
    };
    let now = sandbox.now().unix_timestamp();
    let Consent { address, redirect_uri, state, challenge, .. } = consent;
    let request = CodeRequest { grant, redirect_uri: address, challenge };
    let code = sandbox.change_grants(|grants| grants.issue_code(request, now));
    redirect(redirect_uri, "code", &code, state)
}

/// The installation that the person approves.
fn grant(
    org: &Organization,
    consent: &Consent,
    choice: &Choice,
) -> Result<Grant, (&'static str, &'static str)> {
    let person = match choice.user.as_deref().filter(|id| !id.is_empty()) {
        None => org.primary_owner(),
        Some(id) => org.find(id).map(|(_, person)| person),
    };
    let person = person
        .filter(|person| person.is_active() && !person.is_bot())
        .ok_or(("user_not_found", "Nobody who could approve this has that id."))?;
    // The page's picker names a place; a program may say `install` instead.
    let team = choice.team.as_deref().filter(|id| !id.is_empty());
    let install = match (choice.install.as_deref(), team) {
        (None, Some(id)) if id != org.id => workspace_install(org, Some(id), person)?,
        (None | Some("org"), _) => org_install(person)?,
        (Some("workspace"), team) => workspace_install(org, team, person)?,
        (Some(_), _) => return Err(("invalid_arguments", "install is either org or workspace.")),
    };
    let bot = org.people().iter().find(|person| person.is_bot()).map(|bot| bot.id.clone());
    Ok(Grant {
        client_id: consent.app.client_id.clone(),
        user_id: person.id.clone(),
        bot_user_id: bot.filter(|_| !consent.bot_scopes.is_empty()),
        install,
        user_scopes: consent.user_scopes.clone(),
        bot_scopes: consent.bot_scopes.clone(),
        // A scheme of its own gets tokens that rotate, whatever the app's setting.
        rotation: consent.app.rotation
            || !matches!(consent.redirect_uri.scheme(), "http" | "https"),
        public: consent.app.public,
        live: true,
    })
}

fn org_install(person: &Person) -> Result<Install, (&'static str, &'static str)> {
    if person.org_level >= OrgLevel::Admin {
        Ok(Install::Org)
    } else {
        Err(("not_an_admin", "An org owner or org admin installs apps on the organization."))
    }
}

fn workspace_install(
    org: &Organization,
    team: Option<&str>,
    person: &Person,
) -> Result<Install, (&'static str, &'static str)> {
    let found = match team {
        Some(id) => org.workspace(id),
        None => org.workspaces.iter().enumerate().next(),
    };
    let (number, workspace) = found.ok_or(("team_not_found", "There is no such workspace."))?;
    if person.membership(number).is_none() {
        return Err(("user_not_in_team", "That person is not in the workspace."));
    }
    Ok(Install::Workspace(workspace.id.clone()))
}

fn read(sandbox: &Sandbox, query: &Parameters) -> Result<Consent, OAuthError> {
    let client_id = query.get("client_id").ok_or(OAuthError::InvalidClientId)?;
    let app = sandbox.app(client_id).ok_or(OAuthError::InvalidClientId)?;
    let address = query.get("redirect_uri").ok_or(OAuthError::BadRedirectUri)?;
    if !app.allows_redirect(address) {
        return Err(OAuthError::BadRedirectUri);
    }
    let redirect_uri = Url::parse(address).map_err(|_| OAuthError::BadRedirectUri)?;
    let user_scopes = scopes(query.get("user_scope"))?;
    let bot_scopes = scopes(query.get("scope"))?;
    if user_scopes.is_empty() && bot_scopes.is_empty() {
        return Err(OAuthError::NoScopes);
    }
    // The administration is for people: no bot is granted it.
    let is_admin = |scope: &String| scope == "admin" || scope.starts_with("admin.");
    if bot_scopes.iter().any(is_admin) {
        return Err(OAuthError::InvalidScope);
    }
    let challenge = query.get("code_challenge").filter(|challenge| !challenge.is_empty()).cloned();
    let method = query.get("code_challenge_method").map(String::as_str);
    // A SHA-256 in base64url without padding has 43 characters.
    if challenge.as_ref().is_some_and(|one| one.len() != 43 || method != Some("S256")) {
        return Err(OAuthError::InvalidCodeChallenge);
    }
    let foreign = !matches!(redirect_uri.scheme(), "http" | "https");
    if foreign && challenge.is_none() {
        return Err(OAuthError::InvalidCodeChallenge);
    }
    if app.is_desktop(&redirect_uri) && !bot_scopes.is_empty() {
        return Err(OAuthError::InvalidScope);
    }
    let state = query.get("state").cloned();
    let team = query.get("team").cloned();
    let address = address.clone();
    Ok(Consent { app, address, redirect_uri, state, user_scopes, bot_scopes, challenge, team })
}

/// Scopes, separated by commas or spaces, each once.
fn scopes(text: Option<&String>) -> Result<Vec<String>, OAuthError> {
    let mut scopes: Vec<String> = Vec::new();
    let text = text.map(String::as_str).unwrap_or_default();
    for scope in text.split([',', ' ']).filter(|scope| !scope.is_empty()) {
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "._:-".contains(letter);
        if !scope.chars().all(fits) {
            return Err(OAuthError::InvalidScope);
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
        Err(_) => refuse(OAuthError::BadRedirectUri),
    }
}

fn refuse(error: OAuthError) -> Response {
    let text = match error {
        OAuthError::InvalidClientId => "No app has this client id.",
        OAuthError::BadRedirectUri => "The app has not registered this redirect address.",
        OAuthError::NoScopes => "The app asks for nothing: neither scope nor user_scope is given.",
        OAuthError::InvalidScope => "A scope is misspelt, or is not one for bots.",
        OAuthError::InvalidCodeChallenge => {
            "A code challenge is missing, or is not of the kind S256."
        }
        OAuthError::BadClientSecret
        | OAuthError::InvalidCode
        | OAuthError::CodeAlreadyUsed
        | OAuthError::InvalidCodeVerifier
        | OAuthError::InvalidGrantType
        | OAuthError::InvalidRefreshToken
        | OAuthError::PkceNotAllowed
        | OAuthError::InvalidToken
        | OAuthError::TokenAlreadyExchanged
        | OAuthError::TokenRotationNotEnabled
        | OAuthError::AuthorizationNotFound => "The request cannot be granted.",
    };
    trouble(&error.to_string(), text)
}

fn trouble(code: &str, text: &str) -> Response {
    (StatusCode::BAD_REQUEST, Html(trouble_page(code, text).into_string())).into_response()
}
