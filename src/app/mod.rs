//! Builds the program from its settings, starts it and stops it.

mod components;
mod database;
mod gateway;
mod gateway_count;
mod purge;
mod rebinding;
mod server;
mod traces;

pub use crate::admin::{CreatedKey, KeyRestrictions, create_api_key, find_or_create_environment};
pub use database::{Database, Exclusivity};
pub use gateway::{Gateway, GatewayParts};
