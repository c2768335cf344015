//! How a connection to a provider is made: its name resolved, by way of the environment's HTTP proxy
//! where there is one, with TLS, and all of that in time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::Service;

use super::error::{BoxError, ClientError};
use super::guard::{Reach, public_only};

/// A connection, with TLS or without.
pub(super) type Connection = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Makes connections.
#[derive(Clone)]
pub(super) struct Connector {
    tls: HttpsConnector<Dial>,
    timeout: Duration,
}

impl Connector {
    /// One for addresses that may lead to `reach`; each connection may take `timeout`.
    pub(super) fn new(reach: Reach, timeout: Duration) -> Result<Self, ClientError> {
        let ring = rustls::crypto::ring::default_provider();
        let tls = HttpsConnectorBuilder::new()
            .with_provider_and_platform_verifier(ring)
            .map_err(ClientError)?;
        let tls = match reach {
            Reach::Public => tls.https_only(),
            Reach::Anywhere => tls.https_or_http(),
        };
        let tls = tls.enable_http1().enable_http2().wrap_connector(Dial::new(reach, timeout));
        Ok(Self { tls, timeout })
    }
}

impl Service<Uri> for Connector {
    type Response = Connection;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Connection, BoxError>>;

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

/// Dials: to the host itself, or to the proxy that leads to it.
#[derive(Clone)]
struct Dial {
    tcp: HttpConnector<Names>,
    /// `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`. Never for customers' addresses: a proxy would resolve
    /// names in our place.
    proxies: Option<Arc<Matcher>>,
}

impl Dial {
    fn new(reach: Reach, timeout: Duration) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(Names(reach));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(timeout));
        tcp.set_keepalive(Some(Duration::from_mins(1)));
        tcp.set_keepalive_interval(Some(Duration::from_secs(10)));
        tcp.set_keepalive_retries(Some(3));
        let proxies = (reach == Reach::Anywhere).then(|| Arc::new(Matcher::from_env()));
        Self { tcp, proxies }
    }
}

impl Service<Uri> for Dial {
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
        let speaks_http = proxy.uri().scheme_str() == Some("http");
        Box::pin(async move {
            if !speaks_http {
                return Err("the environment's proxy must have an http:// address".into());
            }
            Ok(tunnel.call(with_port(uri)?).await?)
        })
    }
}

/// The address with the port that its scheme stands for.
fn with_port(uri: Uri) -> Result<Uri, http::Error> {
    match (uri.port(), uri.scheme_str(), uri.host()) {
        (None, Some("http"), Some(host)) => Uri::builder()
            .scheme("http")
            .authority(format!("{host}:80"))
            .path_and_query("/")
            .build(),
        _ => Ok(uri),
    }
}

/// Resolves names as the system does, and keeps of the addresses what may be reached.
#[derive(Debug, Clone, Copy)]
struct Names(Reach);

impl Service<Name> for Names {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let Self(reach) = *self;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let kept = match reach {
                Reach::Anywhere => found,
                Reach::Public => public_only(found)?,
            };
            Ok(kept.into_iter())
        })
    }
}
