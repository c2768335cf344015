//! The form of a provider without OAuth: base URL and credentials. Validation errors are shown on the form.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};

use super::callback;
use super::error_page;
use super::form_fields::{AuthMethod, FormFields};
use super::layout::{
    DisplayMode, LinkPageView, PageContext, cancel_link, introduction, other_provider_link,
};
use super::messages;
use crate::connectors::LinkRejection;
use crate::domain::link_page::{LinkPage, redirect_origin};
use crate::domain::provider::Provider;
use crate::http::state::AppState;
use crate::link::{FormSubmission, LaunchContext, LinkError, LinkOptions};

/// The error of the last submission and the fields that were entered.
#[derive(Debug, Clone, Copy)]
pub(super) struct FormError<'a> {
    fields: &'a FormFields,
    error: &'a LinkError,
}

/// Renders the page.
pub(super) fn page(
    offering: &LinkPageView<'_>,
    provider: Provider,
    form_error: Option<FormError<'_>>,
) -> Response {
    let LinkPageView { offer, token, .. } = offering;
    let title = match &offer.organization {
        Some(_) => "Reconnect your directory",
        None => "Connect your directory",
    };
    let text =
        form_error.map(|FormError { fields, error }| messages::form_text(error, fields.method));
    let body = html! {
        h1 { (offer.page.headline.as_deref().unwrap_or(title)) }
        p { (introduction(&offer.page, None)) }
        @if let Some((_, heading, lines)) = text {
            div.notice role="alert" {
                p { strong { (heading) } }
                @for line in lines { p { (line) } }
            }
        }
        (steps(offer))
        form method="post" action={ "/link/" (token) } autocomplete="off" {
            (offering.fields(provider))
            (inputs(form_error))
            button type="submit" { "Verify and connect" }
        }
        (other_provider_link(offering))
        (cancel_link(offer))
        p.note { "We verify the credentials, then store them encrypted; they are never shown again. To disconnect, revoke them in your directory." }
    };
    // Browsers apply the form's policy to redirects after it.
    let leaves_for = offer.redirect_uri.as_deref().and_then(redirect_origin).unwrap_or_default();
    let mut response = offering.respond(title, body, &leaves_for);
    if let Some((status, ..)) = text {
        *response.status_mut() = status;
    }
    response
}

fn steps(offer: &LinkOptions) -> Markup {
    html! {
        ol.steps {
            li {
                @match &offer.organization {
                    Some(organization) => { "Open the administration of the directory at " strong { (organization) } ", which was connected before." }
                    None => { "Open the administration of your directory as an admin who can set up " strong { "SCIM" } " (often called provisioning)." }
                }
            }
            li { "Create a token, or a client or a user, that can read users and groups, and change them if that is wanted." }
            li { "Enter the address of the SCIM service and the credentials below." }
        }
    }
}

/// An input of the form.
struct Input<'a> {
    name: &'a str,
    label: &'a str,
    kind: &'a str,
    placeholder: Option<&'a str>,
    value: Option<&'a str>,
    is_invalid: bool,
}

fn input(input: &Input<'_>) -> Markup {
    let Input { name, label, kind, placeholder, value, is_invalid } = *input;
    let length = if kind == "password" { "8192" } else { "1000" };
    html! {
        label for=(name) { (label) }
        input id=(name) type=(kind) name=(name) maxlength=(length) autocomplete="off" spellcheck="false"
            placeholder=[placeholder] value=[value] aria-invalid=[is_invalid.then_some("true")];
    }
}

fn inputs(form_error: Option<FormError<'_>>) -> Markup {
    let entered = form_error.map(|form_error| form_error.fields);
    let text = |value: fn(&FormFields) -> &str| entered.map(value);
    let place = form_error.map(|form_error| FaultyPlace::of(form_error.error));
    let is_at = |at| place == Some(at);
    let secret = |name, label| {
        let is_invalid = is_at(FaultyPlace::Credentials);
        input(&Input { name, label, kind: "password", placeholder: None, value: None, is_invalid })
    };
    let plain = |name, label, placeholder, value, is_invalid| {
        input(&Input { name, label, kind: "text", placeholder, value, is_invalid })
    };
    let selected = entered.map_or(AuthMethod::Token, |entered| entered.method);
    let is_bad = is_at(FaultyPlace::Credentials);
    html! {
        label for="base_url" { "Address of the SCIM service" }
        input #base_url type="url" name="base_url" required maxlength="1000" spellcheck="false"
            placeholder="https://scim.example.com/v2" value=[text(|entered| entered.base_url.as_str())]
            aria-invalid=[is_at(FaultyPlace::BaseUrl).then_some("true")];
        fieldset {
            legend { "Authentication" }
            @for method in AuthMethod::ALL {
                label.option {
                    input id={ "auth_" (method.name()) } type="radio" name="auth" value=(method.name())
                        checked[method == selected];
                    (method.title())
                }
            }
        }
        div.auth.auth_token { (secret("token", "Token")) }
        div.auth.auth_basic {
            (plain("user_name", "User name", None, text(|entered| entered.user_name.as_str()), is_bad))
            (secret("password", "Password"))
        }
        div.auth.auth_client_credentials {
            label for="token_url" { "Address of the token endpoint" }
            input #token_url type="url" name="token_url" maxlength="1000" spellcheck="false"
                placeholder="https://login.example.com/oauth2/token" value=[text(|entered| entered.token_url.as_str())]
                aria-invalid=[is_at(FaultyPlace::TokenUrl).then_some("true")];
            (plain("client_id", "Client id", None, text(|entered| entered.client_id.as_str()), is_bad))
            (secret("client_secret", "Client secret"))
            (plain("scope", "Scopes, if the endpoint requires them", Some("scim.read scim.write"), text(|entered| entered.scope.as_str()), is_bad))
        }
        @if form_error.is_some_and(|form_error| matches!(form_error.error, LinkError::OtherUsers)) {
            label {
                input type="checkbox" name="same_organization" value="yes";
                " This is the organization that was connected before"
            }
        }
    }
}

/// The part of the form that an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FaultyPlace {
    BaseUrl,
    TokenUrl,
    Credentials,
}

impl FaultyPlace {
    fn of(error: &LinkError) -> Self {
        if matches!(
            error,
            LinkError::InvalidCredentials(_)
                | LinkError::InvalidGrant(
                    LinkRejection::TokenRejected | LinkRejection::ClientRejected
                )
        ) {
            Self::Credentials
        } else if matches!(
            error,
            LinkError::InvalidTokenUrl(_) | LinkError::TokenEndpointNotFound(_)
        ) {
            Self::TokenUrl
        } else {
            Self::BaseUrl
        }
    }
}

/// Connects a directory with a submitted form.
pub(super) async fn connect(
    state: &AppState,
    link_token: &str,
    visit: &LaunchContext<'_>,
    (provider, form): (Provider, &str),
    request_id: &str,
) -> Response {
    let fields = FormFields::parse(form);
    let filled = FormSubmission {
        provider,
        base_url: &fields.base_url,
        credentials: fields.credentials(),
        confirmation: fields.confirmation,
        request_id,
    };
    let (return_context, outcome) = state.links.submit_form(link_token, visit, filled).await;
    let page_settings = return_context
        .as_ref()
        .map_or_else(LinkPage::default, |return_context| return_context.page.clone());
    let display = DisplayMode::from_name(visit.display);
    let shown = PageContext { page: &page_settings, display, opener: visit.opener_origin };
    let error = match (&return_context, outcome) {
        (Some(return_context), Ok(linked)) => {
            return callback::completed_response(return_context, &linked);
        }
        (_, Ok(_)) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        (_, Err(error)) => error,
    };
    if let Some(quota) = error.quota() {
        state.metrics.record_quota_rejection(quota.name());
    }
    if is_form_error(&error)
        && let Ok(offer) = state.links.options(link_token).await
    {
        error_page::log_error(&error);
        let offering = LinkPageView { context: &shown, offer: &offer, token: link_token };
        return page(&offering, provider, Some(FormError { fields: &fields, error: &error }));
    }
    let again = return_context.as_ref().map(|_| format!("/link/{link_token}"));
    error_page::page_after_callback(&shown, &error, again.as_deref(), return_context.as_ref())
}

/// Whether the customer can correct the error in the form.
fn is_form_error(error: &LinkError) -> bool {
    matches!(
        error,
        LinkError::InvalidBaseUrl(_)
            | LinkError::InvalidTokenUrl(_)
            | LinkError::InvalidCredentials(_)
            | LinkError::TokenEndpointNotFound(_)
            | LinkError::DirectoryNotFound(_)
            | LinkError::InvalidGrant(
                LinkRejection::TokenRejected
                    | LinkRejection::ClientRejected
                    | LinkRejection::WrongProvider
            )
            | LinkError::OtherOrganization
            | LinkError::OtherUsers
    )
}
