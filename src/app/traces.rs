//! Where spans go: to the collector of the settings, by the program's own HTTP client.

use std::sync::Arc;

use anyhow::Context as _;
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry_http::HttpError;
use tokio::runtime::Handle;

use crate::config;
use crate::domain::entropy::Entropy;
use crate::telemetry::{Collector, Traces};
use crate::upstream::HttpClient;

/// The largest answer of a collector that is read.
const LARGEST: usize = 1 << 20;

/// Sends for the thread that has the spans.
#[derive(Debug)]
struct Sender {
    http: HttpClient,
    /// Where the client's connections live.
    runtime: Handle,
}

#[async_trait]
impl opentelemetry_http::HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let sent = self.runtime.spawn(async move { http.fetch(request, LARGEST).await });
        Ok(sent.await??)
    }
}

/// Sends traces as the settings say.
///
/// # Errors
///
/// When the collector's address or headers can't be used.
pub(super) fn traces(
    traces: &config::Traces,
    http: HttpClient,
    entropy: Arc<dyn Entropy>,
) -> anyhow::Result<Traces> {
    if traces.otlp_endpoint.is_empty() {
        return Ok(Traces::default());
    }
    let collector = Collector {
        endpoint: traces.otlp_endpoint.clone(),
        headers: traces.headers().map_err(anyhow::Error::msg)?,
        sample: traces.sample,
        client: Sender { http, runtime: Handle::current() },
    };
    Traces::to(collector, entropy).map_err(anyhow::Error::msg).context("traces.otlp_endpoint")
}
