//! A customer connects its directory: a link token, the hosted page, the provider's consent, and back.
//!
//! `session` is the way to the provider, `exchange` the way back, `form` the way of providers without
//! OAuth; `keep` is the end of both. The browser is bound to its session
//! by a cookie; the OAuth `state` is good for one return. `notices` hears from the provider that a grant is
//! gone.

mod error;
mod exchange;
mod form;
mod keep;
mod notices;
mod session;

use std::sync::Arc;

use url::Url;

pub use error::{AttemptLimit, LinkError};
pub use exchange::{Returned, Way};
pub use form::Filled;
pub use keep::{Asked, Linked};
pub use notices::{Incoming, NoticeError};
pub use session::{BROWSER, LinkRequest, NewLink, Offer, Offered, Progress, Started, Visit};

use crate::connectors::Registry;
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::store::Store;
use crate::upstream::HttpClient;
use crate::vault::Vault;

/// How customers are linked.
#[derive(Clone)]
pub struct Links {
    /// The database.
    pub store: Store,
    /// The secrets.
    pub vault: Vault,
    /// The providers.
    pub registry: Arc<Registry>,
    /// The way out.
    pub http: HttpClient,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The address that browsers reach us at, with a slash at the end.
    pub public_url: Url,
}

impl Links {
    /// Where the provider sends browsers back to.
    ///
    /// # Errors
    ///
    /// Never in practice: the public address is checked at the start.
    pub fn redirect_uri(&self) -> Result<Url, LinkError> {
        self.public_url.join("oauth/callback").map_err(|_| LinkError::PublicUrl)
    }
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Links")
            .field("public_url", &self.public_url.as_str())
            .finish_non_exhaustive()
    }
}
