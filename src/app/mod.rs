//! Builds the whole program from its settings, starts it and stops it.

mod database;
mod gateway;
mod provision;
mod server;

pub use database::{Database, Sharing};
pub use gateway::{Gateway, Parts};
pub use provision::{CreatedKey, Permits, create_api_key, environment};
