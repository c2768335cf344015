//! The one HTTP client: its connections, its time-outs, its TLS.

use std::time::Duration;

/// How long a provider may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// To accept a connection.
    pub connect: Duration,
    /// To begin its answer, and between two pieces of it.
    pub read: Duration,
}

/// The HTTP client that the whole program shares.
#[derive(Debug, Clone)]
pub struct HttpClient(reqwest::Client);

/// The client can't be built: no TLS roots, or no TLS at all.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client can't be built")]
pub struct ClientError(#[source] reqwest::Error);

impl HttpClient {
    /// A client that follows no redirect, keeps connections open and unpacks nothing.
    ///
    /// # Errors
    ///
    /// When the machine's TLS roots can't be read.
    #[expect(clippy::disallowed_methods, reason = "the one place that builds an HTTP client")]
    pub fn new(timeouts: Timeouts) -> Result<Self, ClientError> {
        // A second installation is refused, and that is fine: the first one stands.
        let _ = rustls::crypto::ring::default_provider().install_default();
        reqwest::Client::builder()
            .connect_timeout(timeouts.connect)
            .read_timeout(timeouts.read)
            .redirect(reqwest::redirect::Policy::none())
            .pool_idle_timeout(Duration::from_secs(90))
            .tcp_nodelay(true)
            .user_agent(concat!("switchboard/", env!("CARGO_PKG_VERSION")))
            .build()
            .map(Self)
            .map_err(ClientError)
    }

    /// Sends a request as it is, without turn, token or repetition. Errors never hold the URL.
    pub(crate) async fn execute(
        &self,
        request: reqwest::Request,
    ) -> Result<reqwest::Response, reqwest::Error> {
        self.0.execute(request).await.map_err(reqwest::Error::without_url)
    }
}
