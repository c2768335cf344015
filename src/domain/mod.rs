//! Plain values and the rules that need nothing but them. No I/O, no SQL, no HTTP.

pub mod clock;
pub mod entropy;
