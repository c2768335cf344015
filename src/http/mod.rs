//! The HTTP surface: the router, what proves a caller, the problems, a file for each URL.
//!
//! Nothing here decides anything about directories: a handler reads the request, calls a use case,
//! writes the answer.

mod compat;
mod current;
mod cursor;
mod edge;
mod extract;
mod front;
mod health;
mod idempotency;
mod incoming;
mod limits;
mod link;
mod metrics;
mod openapi;
mod operations;
mod page;
mod pieces;
pub mod problem;
mod proxy;
mod reference;
mod refusals;
mod router;
mod start;
mod state;
mod v1;

pub use front::Front;
pub use metrics::metrics_router;
pub use openapi::document;
pub use router::router;
pub use state::{AppState, Services};
