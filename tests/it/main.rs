//! The tests of the program, through its front door: one binary.

mod architecture;
mod bad_input;
mod chaos;
mod conformance;
mod edge;
mod embedded;
mod expressions;
mod hostile;
mod isolation;
mod limits;
mod migrations;
mod operations;
mod outages_by_silence;
mod process;
mod properties;
mod proxy;
mod races;
mod rotation;
mod routes;
mod story;
mod support;
mod tokens;
mod warm;
