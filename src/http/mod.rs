//! The HTTP API: router, authentication, problem details, and one file for each resource.
//!
//! Handlers parse the request, call a use case and write the response; they contain no directory logic.

mod console;
mod csv;
mod cursor;
mod docs;
mod examples;
mod extract;
mod health;
mod html_page;
mod idempotency;
mod index;
mod internal_api;
mod internal_router;
mod json_stream;
mod link;
mod metrics;
mod middleware;
mod openapi;
mod portal;
pub mod problem;
mod proxy;
mod rate_limit_headers;
mod rejection_audit;
mod request_context;
mod router;
mod served_text;
mod service;
mod slack_events;
mod state;
mod truto;
mod v1;

pub use metrics::metrics_router;
pub use router::{document, router};
pub use service::HttpService;
pub use state::{AppState, Services};
