//! The tests of the program, through its front door: one binary.

mod architecture;
mod embedded;
mod limits;
mod routes;
mod support;
mod tokens;
