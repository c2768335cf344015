//! Switchboard: one API for every customer's workforce directory.
//!
//! The layers. Each folder may use the folders above it in this table and none below; `tests/it/architecture.rs` checks
//! every `use crate::`.
//!
//! | folder | contents |
//! | --- | --- |
//! | [`domain`] | value types and pure rules: ids, users, roles, workspaces, pages, clock, entropy. No I/O |
//! | [`config`] | settings: typed, documented, validated at startup |
//! | [`telemetry`] | logs and metrics |
//! | [`embedded`] | a private PostgreSQL server, started from installed binaries |
//! | [`expressions`] | JSONata expressions, evaluated in resource-limited worker processes |
//! | [`store`] | all SQL, one file per aggregate; an environment's rows only through [`store::TenantDb`] |
//! | [`jobs`] | the queue of background jobs: claimed, run, tried again |
//! | [`vault`] | secrets: types, envelope encryption, token refresh |
//! | [`limit`] | the rate limiter of provider calls: buckets per method, fair queues |
//! | [`upstream`] | the HTTP client of providers: connection pool, rate limit, token, retry, timeout, circuit breaker |
//! | [`connectors`] | capabilities of providers, one folder per provider |
//! | [`unified`] | use cases of the unified API, one file per resource, and of the proxy |
//! | [`sync`] | the directory sync: full runs, the copy of what the gateway changes, reads of the copy |
//! | [`webhooks`] | deliveries of events to the endpoints of customers: queue, attempts, signatures |
//! | [`policies`] | policies: kinds, evaluation over the copies, fixes, access review |
//! | [`reconcile`] | reconciliation: plans that bring a directory to a desired state, and their application |
//! | [`link`] | account linking: session, consent, code exchange |
//! | [`admin`] | operations shared by API and CLI: keys, environments, apps, accounts |
//! | [`http`] | router, middleware, extractors, problems, one file per route |
//! | [`sandbox`] | an in-memory Slack Enterprise Grid organization; uses `domain` only |
//! | [`app`] | builds the program from the settings, starts and stops it |
//! | [`cli`] | the commands, one file each |

pub mod admin;
pub mod app;
pub mod cli;
pub mod config;
pub mod connectors;
pub mod domain;
pub mod embedded;
pub mod expressions;
pub mod http;
pub mod jobs;
pub mod limit;
pub mod link;
pub mod policies;
pub mod reconcile;
pub mod sandbox;
pub mod store;
pub mod sync;
pub mod telemetry;
pub mod unified;
pub mod upstream;
pub mod vault;
pub mod webhooks;

/// The database migrations, in order. Shared by the program, the tests and `switchboard migrate`.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");
