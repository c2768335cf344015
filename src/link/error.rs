//! Why a link fails. Each has a page, or a problem, that says what to do next.

use crate::connectors::LinkRefusal;
use crate::domain::provider::Provider;
use crate::domain::quota::Quota;
use crate::store::StoreError;
use crate::upstream::OAuthError;
use crate::vault::CipherError;

/// Why a link fails.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// There is no such link token.
    #[error("the link token is unknown")]
    UnknownToken,
    /// The link token is too old.
    #[error("the link token has expired")]
    Expired,
    /// The link token has done its work.
    #[error("the link token was used already")]
    Used,
    /// The environment has no OAuth client for the provider.
    #[error("no provider app for {0}")]
    NoProviderApp(Provider),
    /// The account to connect again is not there, or disconnected for good.
    #[error("the account to connect again is not there")]
    AccountNotFound,
    /// The browser came back with a state that nobody waits for.
    #[error("the state is unknown, used or too old")]
    UnknownState,
    /// The browser came back again while its link is being completed.
    #[error("the link is being completed")]
    StillConnecting,
    /// The key that makes a link token was revoked meanwhile.
    #[error("the key was revoked a moment ago")]
    KeyRevoked,
    /// Another browser came back than the one that left.
    #[error("the browser is not the one that began")]
    OtherBrowser,
    /// The customer, or the provider, said no on the consent page. Holds the provider's code.
    #[error("consent was not given: {0}")]
    ConsentRefused(String),
    /// The code exchange failed.
    #[error("the code exchange failed")]
    Exchange(#[source] OAuthError),
    /// The new token could not be tried.
    #[error("the new token could not be tried")]
    Trial(#[source] OAuthError),
    /// Nothing that answers like a directory was found at the address of a form. Its page says the same of every cause:
    /// the address is anybody's, and a form is no port scanner.
    #[error("no directory answers at the address")]
    NoDirectory(#[source] OAuthError),
    /// The form was sent too often.
    #[error("too many addresses and tokens were tried: {0}")]
    TooManyAttempts(AttemptLimit),
    /// The grant is not one we can work with.
    #[error("the grant can't be used")]
    Grant(#[source] LinkRefusal),
    /// An account is connected again with another organization.
    #[error("the organization is not the one the account was linked with")]
    OtherOrganization,
    /// The token sees none of the users that the last link saw at the same address.
    #[error("the token sees other users than the account was linked with")]
    OtherUsers,
    /// The address of a form can't be used, for this reason.
    #[error("the base URL can't be used")]
    BaseUrl(&'static str),
    /// The link is for another provider than the page was asked for.
    #[error("the link is for another provider")]
    OtherProvider,
    /// A page may not lead to, or be opened from, this origin.
    #[error("the origin {0} is not among those of the environment's link page")]
    NotAllowed(String),
    /// The public address can't be used.
    #[error("the public address can't be used")]
    PublicUrl,
    /// The database failed.
    #[error("the link could not be stored")]
    Store(#[from] StoreError),
    /// A stored secret doesn't open.
    #[error("a stored secret could not be decrypted")]
    Cipher(#[from] CipherError),
}

/// Which limit of attempts was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AttemptLimit {
    /// That of the link token.
    #[error("with this link")]
    Link,
    /// That of the environment, for a while.
    #[error("in this environment")]
    Environment,
}

impl LinkError {
    /// The name of this kind of failure, for the SaaS's own code: in messages of the page, in its
    /// status, in the query of a `redirect_uri`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::UnknownToken => "unknown_link",
            Self::Expired => "expired",
            Self::Used => "used",
            Self::UnknownState => "stale_session",
            Self::StillConnecting => "still_connecting",
            Self::OtherBrowser => "other_browser",
            Self::ConsentRefused(_) => "refused",
            Self::Exchange(
                OAuthError::Unreachable
                | OAuthError::TimedOut
                | OAuthError::Down(_)
                | OAuthError::NoAnswer(_),
            )
            | Self::Trial(_) => "provider_unavailable",
            Self::Exchange(OAuthError::Refused(_)) => "provider_refused",
            Self::Grant(LinkRefusal::NotOrganizationWide) => "not_organization_wide",
            Self::Grant(LinkRefusal::NoUserToken | LinkRefusal::Unreadable) => "unusable_grant",
            Self::Grant(LinkRefusal::NotAccepted | LinkRefusal::TokenRefused) => "not_accepted",
            Self::NoDirectory(_) | Self::Grant(LinkRefusal::NotTheProvider) => "not_the_provider",
            Self::TooManyAttempts(_) => "too_many_attempts",
            Self::BaseUrl(_) => "unusable_base_url",
            Self::OtherOrganization | Self::OtherUsers => "other_organization",
            Self::OtherProvider => "other_provider",
            Self::NotAllowed(_) => "origin_not_allowed",
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

    /// The quota that is used up, when that is why.
    #[must_use]
    pub fn quota(&self) -> Option<Quota> {
        if let Self::Store(StoreError::QuotaExceeded { quota, .. }) = self {
            Some(*quota)
        } else {
            None
        }
    }

    /// What the provider called it.
    #[must_use]
    pub fn provider_code(&self) -> Option<&str> {
        if let Self::ConsentRefused(code) | Self::Exchange(OAuthError::Refused(code)) = self {
            Some(code)
        } else {
            None
        }
    }
}
