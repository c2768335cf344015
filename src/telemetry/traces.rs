//! Traces, exported to a collector by OTLP over HTTP. The trace context of a caller (W3C `traceparent`) is continued
//! and propagated to the provider.
//!
//! There is no global state: the gateway creates one [`Traces`] and passes it on. Without a collector a [`Span`] is
//! empty and costs nothing.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceId, Tracer as _,
    TracerProvider as _,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_http::HttpClient;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{IdGenerator, Sampler, SdkTracer, SdkTracerProvider};

use crate::domain::entropy::{Entropy, random_bytes};

/// The receiver of the spans.
pub struct Collector<C> {
    /// The URL of its OTLP/HTTP receiver, without the path: `http://127.0.0.1:4318`.
    pub endpoint: String,
    /// Request headers, such as a key.
    pub headers: HashMap<String, String>,
    /// The share of sampled traces, from 0 to 1. A trace that its caller does not sample is not sampled here either; a
    /// sampled one counts as any other, so that callers do not control the volume.
    pub sample: f64,
    /// The HTTP client that exports.
    pub client: C,
}

/// The tracer of the process. Clones share it.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<Tracing>>);

struct Tracing {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    sample: f64,
    entropy: Arc<dyn Entropy>,
}

impl Tracing {
    /// Returns a caller's trace context; its sampled flag stays set only if the trace is sampled here, too.
    fn apply_sampling(&self, remote: Context) -> Context {
        let caller = remote.span().span_context().clone();
        if !caller.is_sampled() || self.is_sampled() {
            return remote;
        }
        let (trace_id, span_id) = (caller.trace_id(), caller.span_id());
        let flags = caller.trace_flags().with_sampled(false);
        let state = caller.trace_state().clone();
        remote.with_remote_span_context(SpanContext::new(trace_id, span_id, flags, true, state))
    }

    fn is_sampled(&self) -> bool {
        let random = u32::from_be_bytes(random_bytes(&*self.entropy));
        f64::from(random) < self.sample * (f64::from(u32::MAX) + 1.0)
    }
}

/// A span; empty when tracing is off. Clones share the span, which ends with the last of them.
#[derive(Clone, Default)]
pub struct Span(Option<Box<ActiveSpan>>);

#[derive(Clone)]
struct ActiveSpan {
    tracer: SdkTracer,
    context: Context,
}

impl Traces {
    /// Creates a tracer that exports to `collector` in batches from a separate thread.
    ///
    /// # Errors
    ///
    /// A text, when the collector's URL is invalid.
    pub fn export_to<C>(collector: Collector<C>, entropy: Arc<dyn Entropy>) -> Result<Self, String>
    where
        C: HttpClient + 'static,
    {
        let Collector { endpoint, headers, sample, client } = collector;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_headers(headers)
            .build()
            .map_err(|error| error.to_string())?;
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = Resource::builder().with_service_name("switchboard");
        let sampler = Sampler::TraceIdRatioBased(sample);
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.with_attribute(version).build())
            .with_sampler(Sampler::ParentBased(Box::new(sampler)))
            .with_id_generator(EntropyIdGenerator(Arc::clone(&entropy)))
            .with_batch_exporter(exporter)
            .build();
        let tracer = provider.tracer("switchboard");
        Ok(Self(Some(Arc::new(Tracing { provider, tracer, sample, entropy }))))
    }

    /// Starts the span of an incoming request; `headers` may hold the caller's trace context.
    #[must_use]
    pub fn request(&self, headers: &HeaderMap) -> Span {
        let Some(tracing) = &self.0 else { return Span::default() };
        let remote = TraceContextPropagator::new()
            .extract_with_context(&Context::new(), &HeaderExtractor(headers));
        Span::start(&tracing.tracer, &tracing.apply_sampling(remote), "request", SpanKind::Server)
    }

    /// Exports the remaining spans and shuts down; nothing is exported after it. Blocks the thread.
    pub fn shutdown(&self) {
        if let Some(tracing) = &self.0
            && let Err(error) = tracing.provider.shutdown()
        {
            tracing::warn!(%error, "the last traces could not be exported");
        }
    }
}

impl Span {
    /// The empty span.
    pub const NONE: Self = Self(None);

    fn start(tracer: &SdkTracer, parent: &Context, name: &'static str, kind: SpanKind) -> Self {
        let span = tracer.span_builder(name).with_kind(kind).start_with_context(tracer, parent);
        let (tracer, context) = (tracer.clone(), parent.with_span(span));
        Self(Some(Box::new(ActiveSpan { tracer, context })))
    }

    /// Starts a child span for work inside of this process.
    #[must_use]
    pub fn start_child(&self, name: &'static str) -> Self {
        self.child_of_kind(name, SpanKind::Internal)
    }

    /// Starts a child span for a call to another system.
    #[must_use]
    pub fn client_child(&self, name: &'static str) -> Self {
        self.child_of_kind(name, SpanKind::Client)
    }

    fn child_of_kind(&self, name: &'static str, kind: SpanKind) -> Self {
        let active = self.0.as_deref();
        active.map_or_else(Self::default, |ActiveSpan { tracer, context }| {
            Self::start(tracer, context, name, kind)
        })
    }

    /// Replaces the name.
    pub fn rename(&self, name: impl FnOnce() -> String) {
        if let Some(active) = &self.0 {
            active.context.span().update_name(name());
        }
    }

    /// Sets an attribute: an id, a method or a status; never a body, an e-mail address or a person's name.
    pub fn set_attribute<V: Into<Value>>(&self, key: &'static str, value: impl FnOnce() -> V) {
        if let Some(active) = &self.0 {
            active.context.span().set_attribute(KeyValue::new(key, value()));
        }
    }

    /// Marks the span as failed, with `error.type`.
    pub fn set_error(&self, kind: &'static str) {
        if let Some(active) = &self.0 {
            let span = active.context.span();
            span.set_attribute(KeyValue::new("error.type", kind));
            span.set_status(Status::error(""));
        }
    }

    /// Writes the trace context into request headers.
    pub fn inject(&self, headers: &mut HeaderMap) {
        if let Some(active) = &self.0 {
            let propagator = TraceContextPropagator::new();
            propagator.inject_context(&active.context, &mut HeaderInjector(headers));
        }
    }
}

/// Generates ids from the program's entropy.
struct EntropyIdGenerator(Arc<dyn Entropy>);

impl IdGenerator for EntropyIdGenerator {
    fn new_trace_id(&self) -> TraceId {
        TraceId::from_bytes(random_bytes(&*self.0))
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::from_bytes(random_bytes(&*self.0))
    }
}

/// Reads a trace context from headers.
struct HeaderExtractor<'a>(&'a HeaderMap);

impl Extractor for HeaderExtractor<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

/// Writes a trace context into headers.
struct HeaderInjector<'a>(&'a mut HeaderMap);

impl Injector for HeaderInjector<'_> {
    fn set(&mut self, key: &str, value: String) {
        let name = HeaderName::from_bytes(key.as_bytes());
        // An empty `tracestate` is left out.
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value))
            && !value.is_empty()
        {
            self.0.insert(name, value);
        }
    }
}

impl fmt::Debug for EntropyIdGenerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EntropyIdGenerator")
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Traces").field(&self.0.is_some()).finish()
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Span").field(&self.0.is_some()).finish()
    }
}
