//! Traces: spans of a request are exported to a collector, and the caller's trace context reaches the provider.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use super::provider::Provider;
use crate::support::TestApp;

const TRACE: u128 = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;
const PARENT: u128 = 0xb7ad_6b71_6920_3331;

/// Received: the collector's headers and the spans.
type Received = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// An OTLP/HTTP collector, and a gateway that exports to it.
struct Traced {
    app: TestApp,
    provider: Provider,
    received: Received,
}

impl Traced {
    async fn new(pool: PgPool) -> anyhow::Result<Self> {
        Self::sampling(pool, 1.0).await
    }

    /// Starts both with this sampling ratio.
    async fn sampling(pool: PgPool, sample: f64) -> anyhow::Result<Self> {
        let received = Received::default();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let take = |State(received): State<Received>, headers: HeaderMap, body: Bytes| async move {
            received.lock().unwrap_or_else(PoisonError::into_inner).push((headers, body));
        };
        let router =
            Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&received));
        TaskTracker::new().spawn(axum::serve(listener, router).into_future());
        let provider = Provider::start().await?;
        let url = provider.url.clone();
        let app = TestApp::with(pool, |setup| {
            setup.config.slack_enterprise.api_url = url;
            setup.config.traces.otlp_endpoint = endpoint;
            setup.config.traces.sample = sample;
            "x-api-key=hunter2, x-team=core".clone_into(&mut setup.config.traces.otlp_headers);
        });
        Ok(Self { app: app.await?, provider, received })
    }

    /// Returns the spans of the caller's trace by name, once all have arrived.
    async fn spans(&self) -> anyhow::Result<HashMap<String, Span>> {
        let traces = self.app.state.traces.clone();
        tokio::task::spawn_blocking(move || traces.shutdown()).await?;
        let received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        let mut spans = HashMap::new();
        for (headers, body) in &*received {
            assert_eq!(headers.get("x-api-key").context("no key")?, "hunter2");
            let request = ExportTraceServiceRequest::decode(body.clone())?;
            let scopes = request.resource_spans.into_iter().flat_map(|one| one.scope_spans);
            let of_caller =
                scopes.flat_map(|one| one.spans).filter(|one| id(&one.trace_id) == TRACE);
            spans.extend(of_caller.map(|span| (span.name.clone(), span)));
        }
        Ok(spans)
    }

    /// Returns the trace context that the provider received.
    fn propagated_context(&self) -> anyhow::Result<String> {
        let seen = self.provider.seen.borrow();
        let (_, _, headers) = seen.as_ref().context("no call was sent")?;
        Ok(headers.get("traceparent").context("no trace")?.to_str()?.to_owned())
    }
}

fn id(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |id, byte| id << 8 | u128::from(*byte))
}

/// Returns the caller's `traceparent`.
fn traceparent(flags: &str) -> String {
    format!("00-{TRACE:032x}-{PARENT:016x}-{flags}")
}

/// Returns its attributes as one text.
fn attributes(span: &Span) -> String {
    format!("{:?} {:?}", span.attributes, span.status)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn continues_the_callers_trace_and_propagates_it(pool: PgPool) -> anyhow::Result<()> {
    let traced = Traced::new(pool).await?;
    let account = traced.app.link("acme").await?;
    let api = traced.app.client_for(&account)?.with("traceparent", &traceparent("01"))?;
    api.get("proxy/scim/v2/Users?filter=userName%20eq%20%22ada%22").await?;
    let reported = traced.propagated_context()?;

    let spans = traced.spans().await?;
    let names = ["GET /proxy/{*path}", "scim.users.get", "rate_limit.acquire", "access_token.get"];
    for name in names {
        assert!(spans.contains_key(name), "{name} is not in {:?}", spans.keys());
    }
    let (request, call) = (&spans[names[0]], &spans[names[1]]);
    assert_eq!(id(&request.parent_span_id), PARENT);
    for part in &names[1..] {
        assert_eq!(spans[*part].trace_id, request.trace_id);
    }
    assert_eq!(reported, format!("00-{TRACE:032x}-{:016x}-01", id(&call.span_id)));
    for (span, fact) in [(call, "switchboard.provider_method"), (call, "slack_enterprise")] {
        assert!(attributes(span).contains(fact), "{fact} is not in {}", attributes(span));
    }
    for span in spans.values() {
        for secret in ["ada", "acme", "xoxp", "sb_live"] {
            assert!(!format!("{span:?}").contains(secret), "{secret} is in {span:?}");
        }
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn does_not_export_an_unsampled_trace(pool: PgPool) -> anyhow::Result<()> {
    let traced = Traced::new(pool).await?;
    let account = traced.app.link("acme").await?;
    let api = traced.app.client_for(&account)?.with("traceparent", &traceparent("00"))?;
    assert_eq!(api.get("proxy/scim/v2/Users").await?.status, 200);
    assert!(
        traced.propagated_context()?.starts_with(&format!("00-{TRACE:032x}-"))
            && traced.propagated_context()?.ends_with("-00")
    );
    assert!(traced.spans().await?.is_empty());
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn callers_can_not_exceed_the_sampling_ratio(pool: PgPool) -> anyhow::Result<()> {
    let traced = Traced::sampling(pool, 0.0).await?;
    let account = traced.app.link("acme").await?;
    let api = traced.app.client_for(&account)?.with("traceparent", &traceparent("01"))?;
    assert_eq!(api.get("proxy/scim/v2/Users").await?.status, 200);
    let reported = traced.propagated_context()?;
    assert!(
        reported.starts_with(&format!("00-{TRACE:032x}-")) && reported.ends_with("-00"),
        "{reported}"
    );
    assert!(traced.spans().await?.is_empty());
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn without_a_collector_no_trace_is_propagated(pool: PgPool) -> anyhow::Result<()> {
    let (_app, client, provider) = super::with_provider(pool).await?;
    let client = client.with("traceparent", &traceparent("01"))?;
    client.get("proxy/scim/v2/Users").await?;
    let seen = provider.seen.borrow();
    let (_, _, headers) = seen.as_ref().context("no call was sent")?;
    assert!(headers.get("traceparent").is_none(), "{headers:?}");
    Ok(())
}
