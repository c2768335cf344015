//! The sandbox against the provider's documentation.

mod call;
mod invariants;
mod operations;
mod places;
mod views;
mod web_api;
