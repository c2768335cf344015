//! How accounts are linked to a provider: through its own consent page, or by a form of ours.

use url::Url;

use crate::domain::account::Organization;
use crate::upstream::{OAuthEndpoints, Reach, TokenAnswer, TrialAnswer};
use crate::vault::Grant;

/// The way a customer connects a directory.
#[derive(Clone, Copy)]
pub enum Linking<'a> {
    /// By OAuth 2.0, on the provider's consent page.
    OAuth(&'a dyn OAuthLink),
    /// By a form: where the provider is, and a token that the customer made there.
    Form(&'a dyn FormLink),
}

impl<'a> Linking<'a> {
    /// The facet of OAuth, for a provider that has it.
    #[must_use]
    pub fn oauth(self) -> Option<&'a dyn OAuthLink> {
        match self {
            Self::OAuth(link) => Some(link),
            Self::Form(_) => None,
        }
    }

    /// What a scope permits, in words for the customer.
    #[must_use]
    pub fn describe_scope(self, scope: &str) -> Option<&'static str> {
        self.oauth().and_then(|link| link.describe_scope(scope))
    }
}

/// How accounts are linked by OAuth 2.0.
pub trait OAuthLink: Send + Sync {
    /// Where the provider's OAuth is.
    fn endpoints(&self) -> &OAuthEndpoints;
    /// The parameter of the consent page that our scopes go into.
    fn scope_parameter(&self) -> &'static str;
    /// The scopes that the unified API needs.
    fn default_scopes(&self) -> &'static [&'static str];
    /// What a scope permits, in words for the customer.
    fn describe_scope(&self, scope: &str) -> Option<&'static str>;
    /// Reads who was linked out of the answer to the code exchange.
    ///
    /// # Errors
    ///
    /// When the grant is not one we can work with.
    fn read_grant(&self, answer: TokenAnswer) -> Result<LinkedGrant, LinkRefusal>;
    /// Reads the answer to the trial of a new token into its grant: what it really permits.
    ///
    /// # Errors
    ///
    /// When the provider does not accept the token, or it is somebody else's.
    fn read_trial(&self, answer: &TrialAnswer, linked: &mut LinkedGrant)
    -> Result<(), LinkRefusal>;
}

/// How accounts are linked by a form.
pub trait FormLink: Send + Sync {
    /// The base URL that a customer means, in the one spelling that is kept: with a slash at its end.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words for the customer.
    fn base_url(&self, text: &str, reach: Reach) -> Result<Url, &'static str>;
    /// Where a new token is tried, by a GET that changes nothing.
    fn trial_url(&self, base_url: &Url) -> Option<Url>;
    /// Where some of the organization's users are read, by a GET that changes nothing.
    fn sample_url(&self, base_url: &Url) -> Option<Url>;
    /// The ids of the users in the answer to that; none when it is no list.
    fn read_sample(&self, answer: &TrialAnswer) -> Vec<String>;
    /// Reads the answer to the trial: the organization behind the address.
    ///
    /// # Errors
    ///
    /// When the token is not accepted there, or it is no such provider.
    fn read_trial(&self, base_url: &Url, answer: &TrialAnswer)
    -> Result<Organization, LinkRefusal>;
}

/// A grant and who gave it.
#[derive(Debug)]
pub struct LinkedGrant {
    /// The tokens.
    pub grant: Grant,
    /// The organization.
    pub organization: Organization,
    /// The person who installed, if it was one.
    pub installer_id: Option<String>,
    /// What was granted.
    pub scopes: Vec<String>,
    /// Digests of some of the organization's users, where its id may be another organization's as well.
    pub sample: Vec<String>,
}

/// A grant that we can't work with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkRefusal {
    /// It is for one workspace, not for the organization.
    #[error("the app was installed on one workspace instead of the whole organization")]
    NotOrganizationWide,
    /// It holds no token of a person.
    #[error("the provider granted no token of the person who installed")]
    NoUserToken,
    /// The answer names no organization.
    #[error("the provider's answer could not be read")]
    Unreadable,
    /// The token that was just granted is not accepted, or is another organization's.
    #[error("the provider does not accept the token that it has just granted")]
    NotAccepted,
    /// The token of a form is not accepted.
    #[error("the provider does not accept the token")]
    TokenRefused,
    /// What answers at the address of a form is no such provider.
    #[error("the address does not answer as a provider of this kind")]
    NotTheProvider,
}
