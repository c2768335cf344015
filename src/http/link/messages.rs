//! The texts of link errors: HTTP status, title, and what to do next.

use axum::http::StatusCode;

use super::form_fields::AuthMethod;
use crate::connectors::LinkRejection;
use crate::link::{AttemptLimit, LinkError};
use crate::store::StoreError;
use crate::upstream::OAuthError;

/// Status, title and paragraphs.
pub(super) type ErrorText<'a> = (StatusCode, &'static str, &'a [&'static str]);

/// The text of an internal error.
const INTERNAL_ERROR: ErrorText<'_> = (
    StatusCode::INTERNAL_SERVER_ERROR,
    "Internal error",
    &["Nothing was connected. Contact the sender of the link."],
);

/// Returns the text of an error.
pub(super) fn text_of(error: &LinkError) -> ErrorText<'_> {
    use StatusCode as S;
    match error {
        LinkError::UnknownToken => (
            S::NOT_FOUND,
            "Link not found",
            &["Check that you copied the whole address, or ask for a new link."],
        ),
        LinkError::Expired => {
            (S::GONE, "This link has expired", &["Ask the sender for a new link."])
        }
        LinkError::Used => (
            S::GONE,
            "This link has already been used",
            &["The directory is connected. To connect another one, ask for a new link."],
        ),
        LinkError::UnknownState => (
            S::BAD_REQUEST,
            "This sign-in step has expired or was already used",
            &["Open your link again and start over. If the link has expired, ask for a new one."],
        ),
        LinkError::StillConnecting => (
            S::CONFLICT,
            "The connection is being completed",
            &["Reload this page in a few seconds to see the result."],
        ),
        LinkError::OtherBrowser => (
            S::BAD_REQUEST,
            "Session started in another browser",
            &["Open your link again and finish in the same browser, with cookies enabled."],
        ),
        LinkError::OtherProvider => (
            S::BAD_REQUEST,
            "This link is for another provider",
            &["Ask for a link for the directory you want to connect."],
        ),
        LinkError::InvalidBaseUrl(why) => {
            (S::UNPROCESSABLE_ENTITY, "Invalid address", std::slice::from_ref(why))
        }
        LinkError::InvalidTokenUrl(why) => (
            S::UNPROCESSABLE_ENTITY,
            "Invalid address of the token endpoint",
            std::slice::from_ref(why),
        ),
        LinkError::InvalidCredentials(why) => {
            (S::UNPROCESSABLE_ENTITY, "Invalid credentials", std::slice::from_ref(why))
        }
        LinkError::TokenEndpointNotFound(_) => TOKEN_ENDPOINT_NOT_FOUND,
        LinkError::ConsentDenied(_) => (
            S::OK,
            "The connection was not approved",
            &[
                "You left the provider's page without approving. Nothing was connected.",
                "Try again when you are ready.",
            ],
        ),
        LinkError::Exchange(OAuthError::Rejected(_)) => (
            S::BAD_GATEWAY,
            "The provider rejected the connection",
            &[
                "Nothing was connected.",
                "Try again. If it fails again, contact the sender of the link.",
            ],
        ),
        LinkError::Exchange(
            OAuthError::Unreachable
            | OAuthError::TimedOut
            | OAuthError::ServerError(_)
            | OAuthError::ResponseLost(_),
        )
        | LinkError::TokenCheck(_) => (
            S::BAD_GATEWAY,
            "The provider is unavailable",
            &["Nothing was connected. Try again in a few minutes."],
        ),
        LinkError::DirectoryNotFound(_) => refusal_text(LinkRejection::WrongProvider),
        LinkError::TooManyAttempts(limit) => attempt_limit_text(*limit),
        LinkError::InvalidGrant(refusal) => refusal_text(*refusal),
        LinkError::OtherUsers => OTHER_USERS,
        LinkError::OtherOrganization => OTHER_ORGANIZATION,
        LinkError::AccountNotFound => (
            S::NOT_FOUND,
            "The connection no longer exists",
            &[
                "It was disconnected during your approval. Ask the sender of the link for a new one.",
            ],
        ),
        LinkError::Store(error) => store_error_text(error),
        LinkError::NoProviderApp(_)
        | LinkError::KeyRevoked
        | LinkError::OriginNotAllowed(_)
        | LinkError::PublicUrl
        | LinkError::Cipher(_) => INTERNAL_ERROR,
    }
}

/// Returns the text of an error of a form, which depends on the authentication that was selected.
pub(super) fn form_text(error: &LinkError, method: AuthMethod) -> ErrorText<'_> {
    let LinkError::InvalidGrant(LinkRejection::TokenRejected) = error else {
        return text_of(error);
    };
    let (status, title, lines) = text_of(error);
    match method {
        AuthMethod::Token => (status, title, lines),
        AuthMethod::Basic => (
            status,
            "The user name or the password was rejected",
            &["Check both, and that this user can read users and groups."],
        ),
        AuthMethod::ClientCredentials => (
            status,
            "The token of the client was rejected",
            &[
                "Check the scopes, and that the client may use the SCIM service and read users and groups.",
            ],
        ),
    }
}

/// Returns the text of a database error.
fn store_error_text(error: &StoreError) -> ErrorText<'static> {
    use StatusCode as S;
    match error {
        StoreError::Unavailable(_) | StoreError::Busy(_) => (
            S::SERVICE_UNAVAILABLE,
            "Temporarily unavailable",
            &["Nothing was connected. Open your link again in a minute."],
        ),
        StoreError::QuotaExceeded { .. } => (
            S::FORBIDDEN,
            "Connection limit reached",
            &[
                "Nothing was connected: the maximum number of connections is reached.",
                "Contact the sender of the link.",
            ],
        ),
        StoreError::Conflict(_) | StoreError::Inconsistent { .. } | StoreError::Rejected(_) => {
            INTERNAL_ERROR
        }
    }
}

const TOKEN_ENDPOINT_NOT_FOUND: ErrorText<'static> = (
    StatusCode::UNPROCESSABLE_ENTITY,
    "No token endpoint at this address",
    &[
        "Check the address of the OAuth 2.0 token endpoint, which often ends with /token. It must be reachable from the internet.",
        "If it is correct, try again in a few minutes: the service may be down.",
    ],
);

const OTHER_USERS: ErrorText<'static> = (
    StatusCode::CONFLICT,
    "Is this the same organization?",
    &[
        "The token works at this address, but it sees none of the users of the organization that was connected before.",
        "Enter a token of that organization. If it is the same organization and its users have changed, confirm it below and enter the token again.",
    ],
);

const OTHER_ORGANIZATION: ErrorText<'static> = (
    StatusCode::CONFLICT,
    "Different organization",
    &[
        "The connection belongs to a different organization than the one you approved.",
        "Try again and choose the organization that was connected before.",
    ],
);

/// Returns the text of an attempt limit.
fn attempt_limit_text(limit: AttemptLimit) -> ErrorText<'static> {
    match limit {
        AttemptLimit::Link => (
            StatusCode::TOO_MANY_REQUESTS,
            "Too many attempts with this link",
            &["Nothing was connected. Ask the sender of the link for a new one."],
        ),
        AttemptLimit::Environment => (
            StatusCode::TOO_MANY_REQUESTS,
            "Too many attempts",
            &["Nothing was connected. Open your link again in an hour."],
        ),
    }
}

/// Returns the text of an invalid grant.
fn refusal_text(refusal: LinkRejection) -> ErrorText<'static> {
    use StatusCode as S;
    match refusal {
        LinkRejection::TokenRejected => (
            S::UNPROCESSABLE_ENTITY,
            "The token was rejected",
            &[
                "Check that you copied the whole token, that it has not expired, and that it can read users and groups.",
            ],
        ),
        LinkRejection::ClientRejected => (
            S::UNPROCESSABLE_ENTITY,
            "The client was rejected",
            &[
                "Check client id, client secret and scopes, and that the client may use the grant type client_credentials.",
            ],
        ),
        LinkRejection::WrongProvider => (
            S::UNPROCESSABLE_ENTITY,
            "No SCIM service at this address",
            &[
                "Check the address: /Users is directly below it, and it often ends with /scim/v2. It must be reachable from the internet.",
                "If it is correct, try again in a few minutes: the service may be down.",
            ],
        ),
        LinkRejection::NotOrganizationWide => (
            S::CONFLICT,
            "Approved for one workspace only",
            &[
                "The app was installed on a single workspace. It must be installed on the whole organization.",
                "Try again as an owner or admin of the organization, and choose the organization on the provider's page.",
            ],
        ),
        LinkRejection::NoUserToken | LinkRejection::Unreadable => (
            S::CONFLICT,
            "Required permissions not granted",
            &[
                "The provider did not grant the required permissions. Contact the sender of the link.",
            ],
        ),
        LinkRejection::NotAccepted => (
            S::CONFLICT,
            "The provider rejected the approval",
            &[
                "The provider rejects the token that it just issued. Nothing was connected.",
                "Check whether your organization requires approval of apps, and try again.",
            ],
        ),
    }
}
