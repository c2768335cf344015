//! Creates the trace exporter of the settings, over the program's HTTP client.

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

/// The maximum size of a collector's response, in bytes.
const MAX_RESPONSE_BYTES: usize = 1 << 20;

/// The HTTP client of the exporter's thread.
#[derive(Debug)]
struct ExporterClient {
    http: HttpClient,
    /// The runtime of the client's connections.
    runtime: Handle,
}

#[async_trait]
impl opentelemetry_http::HttpClient for ExporterClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let sent = self.runtime.spawn(async move { http.fetch(request, MAX_RESPONSE_BYTES).await });
        Ok(sent.await??)
    }
}

/// Creates the tracer; without `traces.otlp_endpoint` it is empty.
///
/// # Errors
///
/// When the collector's URL or headers are invalid.
pub(super) fn build_traces(
    traces: &config::TraceSettings,
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
        client: ExporterClient { http, runtime: Handle::current() },
    };
    Traces::export_to(collector, entropy)
        .map_err(anyhow::Error::msg)
        .context("traces.otlp_endpoint")
}
