//! The form of a provider without OAuth: base URL and token. Validation errors are shown on the form.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::callback;
use super::error_page;
use super::layout::{
    DisplayMode, LinkPageView, PageContext, cancel_link, introduction, other_provider_link,
};
use super::messages;
use crate::connectors::LinkRejection;
use crate::domain::link_page::{LinkPage, redirect_origin};
use crate::domain::provider::Provider;
use crate::http::state::AppState;
use crate::link::{FormSubmission, LaunchContext, LinkError, LinkOptions, SameOrganization};
use crate::vault::secret::AccessToken;

/// The error of the last submission and the base URL that was entered.
#[derive(Debug, Clone, Copy)]
pub(super) struct FormError<'a> {
    base_url: &'a str,
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
    let body = html! {
        h1 { (offer.page.headline.as_deref().unwrap_or(title)) }
        p { (introduction(&offer.page, None)) }
        @if let Some(FormError { error, .. }) = form_error {
            div.notice role="alert" {
                p { strong { (messages::text_of(error).1) } }
                @for line in messages::text_of(error).2 { p { (line) } }
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
        p.note { "We verify the token, then store it encrypted; it is never shown again. To disconnect, revoke it in your directory." }
    };
    // Browsers apply the form's policy to redirects after it.
    let leaves_for = offer.redirect_uri.as_deref().and_then(redirect_origin).unwrap_or_default();
    let mut response = offering.respond(title, body, &leaves_for);
    if let Some(FormError { error, .. }) = form_error {
        *response.status_mut() = messages::text_of(error).0;
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
            li { "Create a token that can read users and groups." }
            li { "Enter the address of the SCIM service and the token below." }
        }
    }
}

fn inputs(form_error: Option<FormError<'_>>) -> Markup {
    let at_fault = |of_token: bool| {
        form_error.is_some_and(|form_error| {
            let is_token =
                matches!(form_error.error, LinkError::InvalidGrant(LinkRejection::TokenRejected));
            is_token == of_token
        })
    };
    html! {
        label for="base_url" { "Address of the SCIM service" }
        input #base_url type="url" name="base_url" required maxlength="1000" spellcheck="false"
            placeholder="https://scim.example.com/v2" value=[form_error.map(|form_error| form_error.base_url)]
            aria-invalid=[at_fault(false).then_some("true")];
        label for="token" { "Token" }
        input #token type="password" name="token" required maxlength="8192" autocomplete="off"
            spellcheck="false" aria-invalid=[at_fault(true).then_some("true")];
        @if form_error.is_some_and(|form_error| matches!(form_error.error, LinkError::OtherUsers)) {
            label {
                input type="checkbox" name="same_organization" value="yes";
                " This is the organization that was connected before"
            }
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
    let field = |wanted: &str| {
        let mut pairs = form_urlencoded::parse(form.as_bytes());
        let (_, value) = pairs.find(|(name, _)| name == wanted)?;
        // The value may be a token.
        let value = Zeroizing::new(value.into_owned());
        Some(value.trim().to_owned())
    };
    let base_url = field("base_url").unwrap_or_default();
    let token = AccessToken::from(field("token").unwrap_or_default());
    let is_confirmed = field("same_organization").as_deref() == Some("yes");
    let asked =
        if is_confirmed { SameOrganization::Confirmed } else { SameOrganization::Unconfirmed };
    let filled =
        FormSubmission { provider, base_url: &base_url, token, confirmation: asked, request_id };
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
        return page(&offering, provider, Some(FormError { base_url: &base_url, error: &error }));
    }
    let again = return_context.as_ref().map(|_| format!("/link/{link_token}"));
    error_page::page_after_callback(&shown, &error, again.as_deref(), return_context.as_ref())
}

/// Whether the customer can correct the error in the form.
fn is_form_error(error: &LinkError) -> bool {
    matches!(
        error,
        LinkError::InvalidBaseUrl(_)
            | LinkError::DirectoryNotFound(_)
            | LinkError::InvalidGrant(LinkRejection::TokenRejected | LinkRejection::WrongProvider)
            | LinkError::OtherOrganization
            | LinkError::OtherUsers
    )
}
