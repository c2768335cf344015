//! What is said to a customer about each way a link can fail: the status, the title, what happened and
//! what to do next.

use axum::http::StatusCode;

use crate::connectors::LinkRefusal;
use crate::link::{AttemptLimit, LinkError};
use crate::store::StoreError;
use crate::upstream::OAuthError;

/// Status, title, and the lines below it.
pub(super) type Words<'a> = (StatusCode, &'static str, &'a [&'static str]);

const UNUSABLE: &str = "The approval can't be used";

/// The words for a failure of ours.
const OURS: Words<'_> = (
    StatusCode::INTERNAL_SERVER_ERROR,
    "Something failed on our side",
    &["Nothing was connected. Tell whoever sent you the link."],
);

/// The words for a failure.
pub(super) fn of(error: &LinkError) -> Words<'_> {
    use StatusCode as S;
    match error {
        LinkError::UnknownToken => (
            S::NOT_FOUND,
            "This link is not known",
            &["Check that the whole address was copied, or ask for a new link."],
        ),
        LinkError::Expired => {
            (S::GONE, "This link has expired", &["Ask for a new link where you got this one."])
        }
        LinkError::Used => (
            S::GONE,
            "This link was used already",
            &["The connection it was made for exists. For another one, ask for a new link."],
        ),
        LinkError::UnknownState => (
            S::BAD_REQUEST,
            "This step was done already, or took too long",
            &[
                "Open your link again and start over; if it has expired meanwhile, ask for a new one.",
            ],
        ),
        LinkError::StillConnecting => (
            S::CONFLICT,
            "The connection is being completed",
            &["Reload this page in a few seconds to see how it went."],
        ),
        LinkError::OtherBrowser => (
            S::BAD_REQUEST,
            "This is not the browser that began",
            &["Open your link again, and finish in the same browser with cookies allowed."],
        ),
        LinkError::OtherProvider => (
            S::BAD_REQUEST,
            "This link is for another provider",
            &["Ask for a link for the directory that you want to connect."],
        ),
        LinkError::BaseUrl(why) => {
            (S::UNPROCESSABLE_ENTITY, "This address can't be used", std::slice::from_ref(why))
        }
        LinkError::ConsentRefused(_) => (
            S::OK,
            "The connection was not approved",
            &[
                "The provider's page was left without an approval. Nothing was connected.",
                "Try again when you are ready.",
            ],
        ),
        LinkError::Exchange(OAuthError::Refused(_)) => (
            S::BAD_GATEWAY,
            "The provider did not finish the connection",
            &[
                "Nothing was connected.",
                "Try again; when it happens again, tell whoever sent you the link.",
            ],
        ),
        LinkError::Exchange(
            OAuthError::Unreachable
            | OAuthError::TimedOut
            | OAuthError::Down(_)
            | OAuthError::NoAnswer(_),
        )
        | LinkError::Trial(_) => (
            S::BAD_GATEWAY,
            "The provider can't be reached",
            &["Nothing was connected. Try again in a few minutes."],
        ),
        LinkError::NoDirectory(_) => of_refusal(LinkRefusal::NotTheProvider),
        LinkError::TooManyAttempts(limit) => of_attempts(*limit),
        LinkError::Grant(refusal) => of_refusal(*refusal),
        LinkError::OtherUsers => OTHER_USERS,
        LinkError::OtherOrganization => OTHER_ORGANIZATION,
        LinkError::AccountNotFound => (
            S::NOT_FOUND,
            "The connection is not there any more",
            &[
                "It was disconnected while you approved. Ask whoever sent you the link for a new one.",
            ],
        ),
        LinkError::Store(error) => of_store(error),
        LinkError::NoProviderApp(_)
        | LinkError::KeyRevoked
        | LinkError::NotAllowed(_)
        | LinkError::PublicUrl
        | LinkError::Cipher(_) => OURS,
    }
}

/// The words for a failure to store what was granted.
fn of_store(error: &StoreError) -> Words<'static> {
    use StatusCode as S;
    match error {
        StoreError::Unavailable(_) | StoreError::Busy(_) => (
            S::SERVICE_UNAVAILABLE,
            "Not available at the moment",
            &["Nothing was connected. Open your link again in a minute."],
        ),
        StoreError::QuotaExceeded { .. } => (
            S::FORBIDDEN,
            "No further directory can be connected",
            &[
                "Nothing was connected: the limit of connections is reached.",
                "Tell whoever sent you the link.",
            ],
        ),
        StoreError::Conflict(_) | StoreError::Inconsistent { .. } | StoreError::Refused(_) => OURS,
    }
}

const OTHER_USERS: Words<'static> = (
    StatusCode::CONFLICT,
    "Is this the same organization?",
    &[
        "The token works at this address, but it sees none of the users of the organization that was connected before.",
        "Enter a token of that organization. If this is that organization and its users have changed, confirm it below and enter the token again.",
    ],
);

const OTHER_ORGANIZATION: Words<'static> = (
    StatusCode::CONFLICT,
    "This is another organization",
    &[
        "The connection belongs to another organization than the one you approved for.",
        "Try again and choose the organization that was connected before.",
    ],
);

/// The words for a form that was sent too often.
fn of_attempts(limit: AttemptLimit) -> Words<'static> {
    match limit {
        AttemptLimit::Link => (
            StatusCode::TOO_MANY_REQUESTS,
            "Too many attempts with this link",
            &["Nothing was connected. Ask whoever sent you the link for a new one."],
        ),
        AttemptLimit::Environment => (
            StatusCode::TOO_MANY_REQUESTS,
            "Too many attempts",
            &["Nothing was connected. Open your link again in an hour."],
        ),
    }
}

/// The words for a grant that can't be used.
fn of_refusal(refusal: LinkRefusal) -> Words<'static> {
    use StatusCode as S;
    match refusal {
        LinkRefusal::TokenRefused => (
            S::UNPROCESSABLE_ENTITY,
            "The token was not accepted",
            &[
                "Check that the whole token was copied, that it has not ended, and that it may read people and groups.",
            ],
        ),
        LinkRefusal::NotTheProvider => (
            S::UNPROCESSABLE_ENTITY,
            "No SCIM service answers there",
            &[
                "Check the address: it is the one below which /Users is, and often ends with /scim/v2. It must be reachable from the internet.",
                "When it is right, try again in a few minutes: the service may be down.",
            ],
        ),
        LinkRefusal::NotOrganizationWide => (
            S::CONFLICT,
            UNUSABLE,
            &[
                "The app was installed on one workspace. It must be installed on the whole organization.",
                "Try again as an owner or admin of the organization, and choose the organization on the provider's page.",
            ],
        ),
        LinkRefusal::NoUserToken | LinkRefusal::Unreadable => (
            S::CONFLICT,
            UNUSABLE,
            &["The provider did not grant what is needed. Tell whoever sent you the link."],
        ),
        LinkRefusal::NotAccepted => (
            S::CONFLICT,
            UNUSABLE,
            &[
                "The provider does not accept the permission that it has just given. Nothing was connected.",
                "Check whether apps must be approved in your organization, and try again.",
            ],
        ),
    }
}
