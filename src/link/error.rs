//! The errors of linking. Each has a page or a problem with the next steps.

use crate::connectors::LinkRejection;
use crate::domain::provider::Provider;
use crate::domain::quota::QuotaKind;
use crate::store::StoreError;
use crate::upstream::OAuthError;
use crate::vault::CipherError;

/// An error of linking.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The link token does not exist.
    #[error("the link token is unknown")]
    UnknownToken,
    /// The link token has expired.
    #[error("the link token has expired")]
    Expired,
    /// The link token has already been used.
    #[error("the link token has already been used")]
    Used,
    /// The environment has no provider app for the provider.
    #[error("no provider app for {0}")]
    NoProviderApp(Provider),
    /// The account to reconnect does not exist or is disconnected.
    #[error("the account to reconnect does not exist")]
    AccountNotFound,
    /// The OAuth state of the callback is unknown, used or expired.
    #[error("the OAuth state is unknown, used or expired")]
    UnknownState,
    /// The callback was repeated while its link is being completed.
    #[error("the link is being completed")]
    StillConnecting,
    /// The API key was revoked while it created the link token.
    #[error("the API key was revoked")]
    KeyRevoked,
    /// The callback came from another browser than the one that started.
    #[error("the callback came from another browser")]
    OtherBrowser,
    /// The customer or the provider denied consent. Holds the provider's error code.
    #[error("consent was denied: {0}")]
    ConsentDenied(String),
    /// The code exchange failed.
    #[error("the code exchange failed")]
    Exchange(#[source] OAuthError),
    /// The new token could not be verified.
    #[error("the new token could not be verified")]
    TokenCheck(#[source] OAuthError),
    /// No directory was found at the base URL of a form. Its page has one text for all causes: customers choose the
    /// URL, and the form must not serve as a port scanner.
    #[error("no directory was found at the base URL")]
    DirectoryNotFound(#[source] OAuthError),
    /// The form was submitted too often.
    #[error("too many attempts: {0}")]
    TooManyAttempts(AttemptLimit),
    /// The grant is invalid for the connection.
    #[error("the grant is invalid")]
    InvalidGrant(#[source] LinkRejection),
    /// An account was reconnected with another organization.
    #[error("the organization is not the one the account was linked with")]
    OtherOrganization,
    /// The token sees none of the users that the last link saw at the same base URL.
    #[error("the token sees other users than the account was linked with")]
    OtherUsers,
    /// The base URL of a form is invalid, for this reason.
    #[error("the base URL is invalid")]
    InvalidBaseUrl(&'static str),
    /// The URL of the token endpoint of a form is invalid, for this reason.
    #[error("the URL of the token endpoint is invalid")]
    InvalidTokenUrl(&'static str),
    /// The credentials of a form are invalid, for this reason.
    #[error("the credentials are invalid")]
    InvalidCredentials(&'static str),
    /// No token endpoint was found at the URL of a form. Its page has one text for all causes, as `DirectoryNotFound`.
    #[error("no token endpoint was found at the URL")]
    TokenEndpointNotFound(#[source] OAuthError),
    /// The link does not offer the selected provider.
    #[error("the link is for another provider")]
    OtherProvider,
    /// The origin is not among the allowed origins of the environment's link page.
    #[error("the origin {0} is not among those of the environment's link page")]
    OriginNotAllowed(String),
    /// The public URL is invalid.
    #[error("the public URL is invalid")]
    PublicUrl,
    /// The database failed.
    #[error("the link could not be stored")]
    Store(#[from] StoreError),
    /// A stored secret could not be decrypted.
    #[error("a stored secret could not be decrypted")]
    Cipher(#[from] CipherError),
}

/// The limit of attempts that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AttemptLimit {
    /// The limit of the link token.
    #[error("with this link")]
    Link,
    /// The limit of the environment, per hour.
    #[error("in this environment")]
    Environment,
}

impl LinkError {
    /// Returns the error code for the application: in messages of the page, in its status, in the query of a
    /// `redirect_uri`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownToken => "unknown_link",
            Self::Expired => "expired",
            Self::Used => "used",
            Self::UnknownState => "stale_session",
            Self::StillConnecting => "still_connecting",
            Self::OtherBrowser => "other_browser",
            Self::ConsentDenied(_) => "refused",
            Self::Exchange(
                OAuthError::Unreachable
                | OAuthError::TimedOut
                | OAuthError::ServerError(_)
                | OAuthError::ResponseLost(_),
            )
            | Self::TokenCheck(_) => "provider_unavailable",
            Self::Exchange(OAuthError::Rejected(_)) => "provider_refused",
            Self::InvalidGrant(LinkRejection::NotOrganizationWide) => "not_organization_wide",
            Self::InvalidGrant(LinkRejection::NoUserToken | LinkRejection::Unreadable) => {
                "unusable_grant"
            }
            Self::InvalidGrant(
                LinkRejection::NotAccepted
                | LinkRejection::TokenRejected
                | LinkRejection::ClientRejected,
            ) => "not_accepted",
            Self::DirectoryNotFound(_) | Self::InvalidGrant(LinkRejection::WrongProvider) => {
                "not_the_provider"
            }
            Self::TooManyAttempts(_) => "too_many_attempts",
            Self::InvalidBaseUrl(_) => "unusable_base_url",
            Self::InvalidTokenUrl(_) => "unusable_token_url",
            Self::InvalidCredentials(_) => "unusable_credentials",
            Self::TokenEndpointNotFound(_) => "no_token_endpoint",
            Self::OtherOrganization | Self::OtherUsers => "other_organization",
            Self::OtherProvider => "other_provider",
            Self::OriginNotAllowed(_) => "origin_not_allowed",
            Self::Store(StoreError::Unavailable(_) | StoreError::Busy(_)) => "unavailable",
            Self::Store(StoreError::QuotaExceeded { .. }) => "quota_exceeded",
            Self::AccountNotFound => "account_not_found",
            Self::NoProviderApp(_)
            | Self::KeyRevoked
            | Self::PublicUrl
            | Self::Store(_)
            | Self::Cipher(_) => "internal",
        }
    }

    /// Returns the quota that is exhausted, if that is the cause.
    #[must_use]
    pub fn quota(&self) -> Option<QuotaKind> {
        if let Self::Store(StoreError::QuotaExceeded { quota, .. }) = self {
            Some(*quota)
        } else {
            None
        }
    }

    /// Returns the provider's error code.
    #[must_use]
    pub fn provider_code(&self) -> Option<&str> {
        if let Self::ConsentDenied(code) | Self::Exchange(OAuthError::Rejected(code)) = self {
            Some(code)
        } else {
            None
        }
    }
}
