//! Logs, metrics and traces. No label, log line or span holds a token, a code, a body, an e-mail address or a name;
//! labels hold no ids either, so that their number is bounded.

mod logs;
mod metrics;
pub mod names;
mod traces;

pub use logs::init;
pub use metrics::{
    CacheStats, CallOutcome, DatabaseStats, DeliveryOutcome, GatewayStats, Metrics, OpenConnection,
    RefreshResult, WebhookStats,
};
pub use traces::{Collector, Span, Traces};
