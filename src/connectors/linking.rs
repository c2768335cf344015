//! How accounts are linked to a provider: through its OAuth consent page, or by a form.

use url::Url;

use crate::domain::account::Organization;
use crate::upstream::{AddressPolicy, CodeExchangeResponse, OAuthEndpoints, TokenCheckResponse};
use crate::vault::Grant;

/// How a customer connects a directory.
#[derive(Clone, Copy)]
pub enum Linking<'a> {
    /// OAuth 2.0, on the provider's consent page.
    OAuth(&'a dyn OAuthLink),
    /// A form: the provider's base URL, and credentials that the customer created there.
    Form(&'a dyn FormLink),
}

impl<'a> Linking<'a> {
    /// Returns the OAuth link, for a provider with OAuth.
    #[must_use]
    pub fn oauth(self) -> Option<&'a dyn OAuthLink> {
        match self {
            Self::OAuth(link) => Some(link),
            Self::Form(_) => None,
        }
    }

    /// Returns what a scope permits, in words for the customer.
    #[must_use]
    pub fn describe_scope(self, scope: &str) -> Option<&'static str> {
        self.oauth().and_then(|link| link.describe_scope(scope))
    }
}

/// Linking by OAuth 2.0.
pub trait OAuthLink: Send + Sync {
    /// Returns the provider's OAuth endpoints.
    fn endpoints(&self) -> &OAuthEndpoints;
    /// Returns the parameter of the authorization request that takes the scopes.
    fn scope_parameter(&self) -> &'static str;
    /// Returns the scopes that the unified API needs.
    fn default_scopes(&self) -> &'static [&'static str];
    /// Returns what a scope permits, in words for the customer.
    fn describe_scope(&self, scope: &str) -> Option<&'static str>;
    /// Reads the grant and its organization from the response to the code exchange.
    ///
    /// # Errors
    ///
    /// When the grant does not suffice.
    fn read_grant(&self, response: CodeExchangeResponse) -> Result<LinkedGrant, LinkRejection>;
    /// Updates a grant by the response to the check of its token: the scopes that were granted.
    ///
    /// # Errors
    ///
    /// When the provider rejects the token, or it is of another user.
    fn read_token_check(
        &self,
        response: &TokenCheckResponse,
        linked: &mut LinkedGrant,
    ) -> Result<(), LinkRejection>;
}

/// Linking by a form.
pub trait FormLink: Send + Sync {
    /// Returns the normalized base URL, with a trailing slash.
    ///
    /// # Errors
    ///
    /// The failed rule, in words for the customer.
    fn base_url(&self, text: &str, reach: AddressPolicy) -> Result<Url, &'static str>;
    /// Returns the URL of a token endpoint that the customer entered.
    ///
    /// # Errors
    ///
    /// The failed rule, in words for the customer.
    fn token_url(&self, text: &str, reach: AddressPolicy) -> Result<Url, &'static str>;
    /// Returns the URLs that check a new token by a GET request. The next one is tried when the server fails at one.
    fn token_check_urls(&self, base_url: &Url) -> Vec<Url>;
    /// Returns the URL that reads some of the organization's users by a GET request.
    fn sample_url(&self, base_url: &Url) -> Option<Url>;
    /// Returns the ids of the users in that response; none when it is not a list.
    fn read_sample(&self, response: &TokenCheckResponse) -> Vec<String>;
    /// Reads the organization from the response to the token check.
    ///
    /// # Errors
    ///
    /// When the provider rejects the token, or the URL is not of such a provider.
    fn read_token_check(
        &self,
        base_url: &Url,
        response: &TokenCheckResponse,
    ) -> Result<Organization, LinkRejection>;
}

/// A grant and the organization that it is for.
#[derive(Debug)]
pub struct LinkedGrant {
    /// The tokens.
    pub grant: Grant,
    /// The organization.
    pub organization: Organization,
    /// The provider's id of the user who granted access, if a user did.
    pub installer_id: Option<String>,
    /// The granted scopes.
    pub scopes: Vec<String>,
    /// Digests of some of the organization's user ids, for providers whose organization id is not unique.
    pub sample: Vec<String>,
}

/// Why a grant was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkRejection {
    /// The grant is for one workspace, not for the organization.
    #[error("the app was installed on one workspace instead of the whole organization")]
    NotOrganizationWide,
    /// The grant has no user token.
    #[error("the provider granted no user token")]
    NoUserToken,
    /// The response is invalid, or has no organization.
    #[error("the provider's response could not be read")]
    Unreadable,
    /// The provider rejects the token that it granted, or the token is of another organization.
    #[error("the provider does not accept the token that it has just granted")]
    NotAccepted,
    /// The provider rejects the token, or the user name and password, of a form.
    #[error("the provider does not accept the token")]
    TokenRejected,
    /// The token endpoint of a form rejects the client.
    #[error("the token endpoint does not accept the client")]
    ClientRejected,
    /// The URL of a form is not of such a provider.
    #[error("the address does not respond as a provider of this kind")]
    WrongProvider,
}
