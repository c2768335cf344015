//! Generated changes of the organization, for load and freshness tests: owners change accounts,
//! memberships, levels and groups at a constant rate, through the same edits as the APIs, so that
//! events and audit log entries arise.

mod changes;
mod controller;
mod run;

pub(crate) use controller::ChurnController;
pub use controller::{ChurnError, ChurnKind, ChurnRequest, ChurnStatus};
