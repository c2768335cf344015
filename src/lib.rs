//! Switchboard: one integration, every customer's directory.
//!
//! The map of the house. Each folder may use the ones above it in this list and none below;
//! `tests/it/architecture.rs` reads every `use crate::` and fails on an arrow that points up.
//!
//! | folder | what lives there |
//! | --- | --- |
//! | [`domain`] | plain values: ids, users, roles, workspaces, pages, the clock, the dice. No I/O |
//! | [`config`] | the settings: typed, documented, validated before anything starts |
//! | [`telemetry`] | logs and metrics: how they are written and what may be in them |
//! | [`embedded`] | a private PostgreSQL server, started from the installed binaries |
//! | [`expressions`] | JSONata expressions, evaluated in worker processes under limits of the system |
//! | [`store`] | the only SQL, one file an aggregate; rows of an environment only through [`store::TenantDb`] |
//! | [`vault`] | secrets: their types, the envelope encryption, keeping a grant fresh |
//! | [`limit`] | whose turn it is: the pace that each provider allows for each method |
//! | [`upstream`] | the one way out to a provider: limit, token, retry, time-out |
//! | [`connectors`] | what a provider can do, and one folder for each provider |
//! | [`unified`] | the use cases of the unified API, one file a resource, and the proxy |
//! | [`link`] | a customer connects its directory: session, consent, exchange |
//! | [`admin`] | what the API and the command line both do: keys, environments, apps, accounts |
//! | [`http`] | the router, the extractors, the problems, a file for each URL |
//! | [`sandbox`] | a Slack Enterprise Grid organization in memory; shares `domain` only |
//! | [`app`] | builds all of it from the settings, starts and stops it |
//! | [`cli`] | the commands of the program, a file each |

pub mod admin;
pub mod app;
pub mod cli;
pub mod config;
pub mod connectors;
pub mod domain;
pub mod embedded;
pub mod expressions;
pub mod http;
pub mod limit;
pub mod link;
pub mod sandbox;
pub mod store;
pub mod telemetry;
pub mod unified;
pub mod upstream;
pub mod vault;

/// The migrations of the database, in the order they are applied. One static, because the program,
/// the tests and `switchboard migrate` must agree on it.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");
