//! The tests of the program, through its front door: one binary.

mod architecture;
mod embedded;
mod process;
