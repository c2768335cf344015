//! Builds the whole program from its settings, starts it and stops it.

mod counting;
mod database;
mod gateway;
mod purge;
mod sealing;
mod server;
mod traces;

pub use crate::admin::{CreatedKey, Permits, create_api_key, environment};
pub use database::{Database, Sharing};
pub use gateway::{Gateway, Parts};
