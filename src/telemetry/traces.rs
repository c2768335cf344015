//! Traces: what a request did, and how long each part took, sent to a collector by OTLP over HTTP. A
//! caller's trace comes in by the W3C's `traceparent` and goes on to the provider.
//!
//! Nothing is global: the gateway makes one [`Traces`] and passes it on. Without a collector a [`Span`] is
//! nothing, and costs nothing.

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

/// Who receives the spans.
pub struct Collector<C> {
    /// Where its receiver of OTLP over HTTP is, without the path: `http://127.0.0.1:4318`.
    pub endpoint: String,
    /// Headers that it wants, such as a key.
    pub headers: HashMap<String, String>,
    /// How many traces are sampled, from 0 to 1. One that a caller began and does not sample is not sampled here
    /// either; one that it samples counts as any other, so that no caller decides how much is sent.
    pub sample: f64,
    /// What sends to it.
    pub client: C,
}

/// Where spans go. Clones are the same.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<Tracing>>);

struct Tracing {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    sample: f64,
    entropy: Arc<dyn Entropy>,
}

impl Tracing {
    /// What a caller says of its trace, with the flag that it is sampled only where we sample it, too.
    fn admit(&self, theirs: Context) -> Context {
        let caller = theirs.span().span_context().clone();
        if !caller.is_sampled() || self.is_drawn() {
            return theirs;
        }
        let (trace_id, span_id) = (caller.trace_id(), caller.span_id());
        let flags = caller.trace_flags().with_sampled(false);
        let state = caller.trace_state().clone();
        theirs.with_remote_span_context(SpanContext::new(trace_id, span_id, flags, true, state))
    }

    fn is_drawn(&self) -> bool {
        let drawn = u32::from_be_bytes(random_bytes(&*self.entropy));
        f64::from(drawn) < self.sample * (f64::from(u32::MAX) + 1.0)
    }
}

/// A part of what a request does; nothing, when nothing is traced. Clones are the same part, which ends with
/// the last of them.
#[derive(Clone, Default)]
pub struct Span(Option<Box<Traced>>);

#[derive(Clone)]
struct Traced {
    tracer: SdkTracer,
    context: Context,
}

impl Traces {
    /// Sends what is traced to `collector`, in batches, from a thread of its own.
    ///
    /// # Errors
    ///
    /// A sentence, when the collector's address can't be used.
    pub fn to<C>(collector: Collector<C>, entropy: Arc<dyn Entropy>) -> Result<Self, String>
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
            .with_id_generator(Drawn(Arc::clone(&entropy)))
            .with_batch_exporter(exporter)
            .build();
        let tracer = provider.tracer("switchboard");
        Ok(Self(Some(Arc::new(Tracing { provider, tracer, sample, entropy }))))
    }

    /// The span of a request that came with these headers.
    #[must_use]
    pub fn request(&self, headers: &HeaderMap) -> Span {
        let Some(tracing) = &self.0 else { return Span::default() };
        let theirs =
            TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers));
        Span::begin(&tracing.tracer, &tracing.admit(theirs), "request", SpanKind::Server)
    }

    /// Sends what was not sent yet; nothing is sent after it. It blocks.
    pub fn finish(&self) {
        if let Some(tracing) = &self.0
            && let Err(error) = tracing.provider.shutdown()
        {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

impl Span {
    /// Nothing is traced.
    pub const NONE: Self = Self(None);

    fn begin(tracer: &SdkTracer, parent: &Context, name: &'static str, kind: SpanKind) -> Self {
        let span = tracer.span_builder(name).with_kind(kind).start_with_context(tracer, parent);
        let (tracer, context) = (tracer.clone(), parent.with_span(span));
        Self(Some(Box::new(Traced { tracer, context })))
    }

    /// A part of this part that stays in this process.
    #[must_use]
    pub fn part(&self, name: &'static str) -> Self {
        self.child(name, SpanKind::Internal)
    }

    /// A call to somebody else.
    #[must_use]
    pub fn call(&self, name: &'static str) -> Self {
        self.child(name, SpanKind::Client)
    }

    fn child(&self, name: &'static str, kind: SpanKind) -> Self {
        let traced = self.0.as_deref();
        traced.map_or_else(Self::default, |Traced { tracer, context }| {
            Self::begin(tracer, context, name, kind)
        })
    }

    /// Names it by what is known by now.
    pub fn rename(&self, name: impl FnOnce() -> String) {
        if let Some(traced) = &self.0 {
            traced.context.span().update_name(name());
        }
    }

    /// Notes a fact: an id, a method, a status; never a body, an address or a name of a person.
    pub fn note<V: Into<Value>>(&self, key: &'static str, value: impl FnOnce() -> V) {
        if let Some(traced) = &self.0 {
            traced.context.span().set_attribute(KeyValue::new(key, value()));
        }
    }

    /// Notes that it failed, by the kind of failure.
    pub fn fail(&self, kind: &'static str) {
        if let Some(traced) = &self.0 {
            let span = traced.context.span();
            span.set_attribute(KeyValue::new("error.type", kind));
            span.set_status(Status::error(""));
        }
    }

    /// Tells whoever receives these headers which trace they belong to.
    pub fn tell(&self, headers: &mut HeaderMap) {
        if let Some(traced) = &self.0 {
            let propagator = TraceContextPropagator::new();
            propagator.inject_context(&traced.context, &mut HeadersOut(headers));
        }
    }
}

/// Ids drawn from the program's randomness.
struct Drawn(Arc<dyn Entropy>);

impl IdGenerator for Drawn {
    fn new_trace_id(&self) -> TraceId {
        TraceId::from_bytes(random_bytes(&*self.0))
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::from_bytes(random_bytes(&*self.0))
    }
}

/// Headers that a trace's context is read from.
struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

/// Headers that it is written to.
struct HeadersOut<'a>(&'a mut HeaderMap);

impl Injector for HeadersOut<'_> {
    fn set(&mut self, key: &str, value: String) {
        let name = HeaderName::from_bytes(key.as_bytes());
        // An empty `tracestate` says nothing.
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value))
            && !value.is_empty()
        {
            self.0.insert(name, value);
        }
    }
}

impl fmt::Debug for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Drawn")
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
