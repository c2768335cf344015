//! Opens connections to providers: name resolution, the HTTP proxy of the process environment, TLS and the timeout.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Uri;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::client::Resumption;
use tokio::net::TcpStream;
use tower::Service;

use super::error::{BoxError, ClientError};
use super::ssrf::{AddressPolicy, public_only};

/// Number of TLS sessions that a connector can resume.
const RESUMED_SESSIONS: usize = 256;

/// A byte stream to a provider, with TLS or without.
pub(super) type ProviderStream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Opens connections.
#[derive(Clone)]
pub(super) struct Connector {
    tls: HttpsConnector<Dialer>,
    timeout: Duration,
}

impl Connector {
    /// Creates a connector for addresses under a policy; each connection may take `timeout`.
    pub(super) fn new(policy: AddressPolicy, timeout: Duration) -> Result<Self, ClientError> {
        let mut tls = tls_config()?;
        // Each connector has its own: the many hosts of customers do not evict those of providers.
        tls.resumption = Resumption::in_memory_sessions(RESUMED_SESSIONS);
        let tls = HttpsConnectorBuilder::new().with_tls_config(tls);
        let tls = match policy {
            AddressPolicy::PublicOnly => tls.https_only(),
            AddressPolicy::Any => tls.https_or_http(),
        };
        let tls = tls.enable_http1().enable_http2().wrap_connector(Dialer::new(policy, timeout));
        Ok(Self { tls, timeout })
    }
}

/// Returns the TLS settings. The system's certificates are read once for all connectors of the process.
fn tls_config() -> Result<ClientConfig, ClientError> {
    static SHARED: OnceLock<ClientConfig> = OnceLock::new();
    if let Some(config) = SHARED.get() {
        return Ok(config.clone());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(ConfigBuilderExt::try_with_platform_verifier)
        .map_err(|error| ClientError(io::Error::other(error)))?
        .with_no_client_auth();
    Ok(SHARED.get_or_init(|| config).clone())
}

impl Service<Uri> for Connector {
    type Response = ProviderStream;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<ProviderStream, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tls.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, timeout) = (self.tls.call(uri), self.timeout);
        Box::pin(async move { tokio::time::timeout(timeout, connecting).await? })
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connector")
    }
}

/// Opens TCP connections to the host, or through a proxy.
#[derive(Clone)]
struct Dialer {
    tcp: HttpConnector<PolicyResolver>,
    /// `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`. Never for addresses of customers: a proxy would resolve the names
    /// itself, without the address policy.
    proxies: Option<Arc<Matcher>>,
}

impl Dialer {
    fn new(policy: AddressPolicy, timeout: Duration) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(PolicyResolver(policy));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(timeout));
        tcp.set_keepalive(Some(Duration::from_mins(1)));
        tcp.set_keepalive_interval(Some(Duration::from_secs(10)));
        tcp.set_keepalive_retries(Some(3));
        let proxies = (policy == AddressPolicy::Any).then(|| Arc::new(Matcher::from_env()));
        Self { tcp, proxies }
    }
}

impl Service<Uri> for Dialer {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(cx).map_err(BoxError::from)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let proxy = self.proxies.as_ref().and_then(|proxies| proxies.intercept(&uri));
        let Some(proxy) = proxy else {
            let connecting = self.tcp.call(uri);
            return Box::pin(async move { Ok(connecting.await?) });
        };
        let mut tunnel = Tunnel::new(proxy.uri().clone(), self.tcp.clone());
        if let Some(auth) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(auth.clone());
        }
        let is_http = proxy.uri().scheme_str() == Some("http");
        Box::pin(async move {
            if !is_http {
                return Err(
                    "the proxy in HTTP_PROXY or HTTPS_PROXY must have an http:// URL".into()
                );
            }
            Ok(tunnel.call(with_default_port(uri)?).await?)
        })
    }
}

/// Returns the URI with the default port of its scheme.
fn with_default_port(uri: Uri) -> Result<Uri, http::Error> {
    match (uri.port(), uri.scheme_str(), uri.host()) {
        (None, Some("http"), Some(host)) => Uri::builder()
            .scheme("http")
            .authority(format!("{host}:80"))
            .path_and_query("/")
            .build(),
        _ => Ok(uri),
    }
}

/// Resolves names by the system's resolver and drops addresses that the policy forbids.
#[derive(Debug, Clone, Copy)]
struct PolicyResolver(AddressPolicy);

impl Service<Name> for PolicyResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let Self(policy) = *self;
        Box::pin(async move {
            let addresses = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed = match policy {
                AddressPolicy::Any => addresses,
                AddressPolicy::PublicOnly => public_only(addresses)?,
            };
            Ok(allowed.into_iter())
        })
    }
}
