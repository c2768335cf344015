//! The sandbox against the provider's documentation, and every connector against the unified API.

mod call;
pub(crate) mod connectors;
mod invariants;
mod operations;
mod places;
mod views;
mod web_api;
