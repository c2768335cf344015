//! The sandbox, held against what the provider's documentation says.

mod call;
mod invariants;
mod operations;
mod places;
mod views;
mod web_api;
