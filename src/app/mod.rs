//! Builds the program from its settings, starts it and stops it.

mod background_workers;
mod components;
mod database;
mod gateway;
mod gateway_count;
mod purge;
mod rebinding;
mod server;
mod traces;
mod webhooks;

pub use crate::admin::{CreatedKey, KeyRestrictions, create_api_key, find_or_create_environment};
pub use background_workers::BackgroundWorkers;
pub use components::job_worker;
pub use database::{Database, Exclusivity};
pub use gateway::{Gateway, GatewayParts};
