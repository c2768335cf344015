//! Linking: a customer connects its directory with a link token, through the hosted page and the provider's consent or
//! a form.
//!
//! `session` creates link tokens and starts OAuth sessions, `exchange` handles the callback, `form` links providers
//! without OAuth with the credentials of `form_credentials`, `complete` stores the result of both. A cookie binds the browser to its session; the OAuth `state` is
//! single-use. `slack_events` handles revocations that Slack reports.

mod complete;
mod error;
mod exchange;
mod form;
mod form_credentials;
mod session;
mod slack_events;

use std::sync::Arc;

use tokio::sync::Notify;
use url::Url;

pub use complete::{CompletedLink, SameOrganization};
pub use error::{AttemptLimit, LinkError};
pub use exchange::{CallbackParams, ReturnContext};
pub use form::FormSubmission;
pub use form_credentials::FormCredentials;
pub use session::{
    AuthorizationRedirect, BROWSER_SECRET_PREFIX, CreatedLink, LaunchContext, LinkOptions,
    LinkRequest, LinkStatus, ProviderOption,
};
pub use slack_events::{SlackEventError, SlackEventRequest};

use crate::connectors::Registry;
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::store::Store;
use crate::unified::AccountDiscovery;
use crate::upstream::HttpClient;
use crate::vault::Vault;

/// Links accounts.
#[derive(Clone)]
pub struct LinkService {
    /// The database.
    pub store: Store,
    /// Encrypts and decrypts secrets.
    pub vault: Vault,
    /// The connectors of the providers.
    pub registry: Arc<Registry>,
    /// The HTTP client for providers.
    pub http: HttpClient,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The random number generator.
    pub entropy: Arc<dyn Entropy>,
    /// Discovers what the servers of accounts can do.
    pub discovery: AccountDiscovery,
    /// The public base URL of the gateway, with a trailing slash.
    pub public_url: Url,
    /// Wakes the workers of this process when changes were reported to it.
    pub changes_reported: Arc<Notify>,
}

impl LinkService {
    /// Returns the OAuth redirect URI.
    ///
    /// # Errors
    ///
    /// `PublicUrl`; never in practice, because the URL is validated at startup.
    pub fn redirect_uri(&self) -> Result<Url, LinkError> {
        self.public_url.join("oauth/callback").map_err(|_| LinkError::PublicUrl)
    }
}

impl std::fmt::Debug for LinkService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Links")
            .field("public_url", &self.public_url.as_str())
            .finish_non_exhaustive()
    }
}
