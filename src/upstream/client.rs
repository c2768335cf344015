//! The one HTTP client: its connections, its time-outs, its TLS, and where it may go.

use std::sync::Arc;
use std::time::Duration;

use super::guard::{PublicNames, may_be_public};

/// How long a provider may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// To accept a connection.
    pub connect: Duration,
    /// To begin its answer, and between two pieces of it.
    pub read: Duration,
}

/// Where addresses that customers name may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// To the internet only, by TLS.
    Public,
    /// Anywhere: for a provider inside of one's own network, and for tests.
    Anywhere,
}

/// Who named the address of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedBy {
    /// The settings: it may lead anywhere.
    Operator,
    /// A customer: it may lead where [`Reach`] says.
    Customer,
}

/// The HTTP client that the whole program shares.
#[derive(Debug, Clone)]
pub struct HttpClient {
    operator: reqwest::Client,
    customer: reqwest::Client,
    reach: Reach,
}

/// The client can't be built: no TLS roots, or no TLS at all.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client can't be built")]
pub struct ClientError(#[source] reqwest::Error);

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// The address leads where customers' addresses may not.
    #[error("the address is not one of the internet")]
    NotAllowed,
    /// It failed on its way. Never holds the URL.
    #[error(transparent)]
    Failed(reqwest::Error),
}

impl HttpClient {
    /// A client that follows no redirect, keeps connections open and unpacks nothing.
    ///
    /// # Errors
    ///
    /// When the machine's TLS roots can't be read.
    pub fn new(timeouts: Timeouts, reach: Reach) -> Result<Self, ClientError> {
        // A second installation is refused, and that is fine: the first one stands.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let operator = builder(timeouts).build().map_err(ClientError)?;
        let customer = match reach {
            Reach::Anywhere => operator.clone(),
            Reach::Public => builder(timeouts)
                .dns_resolver(Arc::new(PublicNames))
                .https_only(true)
                // A proxy of the environment would resolve names in our place.
                .no_proxy()
                .build()
                .map_err(ClientError)?,
        };
        Ok(Self { operator, customer, reach })
    }

    /// Where addresses that customers name may lead.
    pub(crate) fn reach(&self) -> Reach {
        self.reach
    }

    /// Sends a request as it is, without turn, token or repetition.
    pub(crate) async fn execute(
        &self,
        request: reqwest::Request,
        named_by: NamedBy,
    ) -> Result<reqwest::Response, SendError> {
        let client = match named_by {
            NamedBy::Operator => &self.operator,
            NamedBy::Customer if self.reach == Reach::Public && !may_be_public(request.url()) => {
                return Err(SendError::NotAllowed);
            }
            NamedBy::Customer => &self.customer,
        };
        let answer = client.execute(request).await;
        answer.map_err(|error| SendError::Failed(error.without_url()))
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that builds HTTP clients")]
fn builder(timeouts: Timeouts) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(timeouts.connect)
        .read_timeout(timeouts.read)
        .redirect(reqwest::redirect::Policy::none())
        .pool_idle_timeout(Duration::from_secs(90))
        .tcp_nodelay(true)
        .user_agent(concat!("switchboard/", env!("CARGO_PKG_VERSION")))
}
