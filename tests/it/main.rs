//! Integration tests of the program through its public interfaces, in one binary.

mod architecture;
mod cache;
mod chaos;
mod conformance;
mod edge;
mod embedded;
mod expressions;
mod hostile;
mod import_cycles;
mod invalid_input;
mod isolation;
mod limits;
mod migrations;
mod operations;
mod process;
mod properties;
mod proxy;
mod races;
mod rotation;
mod routes;
mod support;
mod sync;
mod tokens;
mod unresponsive_peers;
mod user_lifecycle;
