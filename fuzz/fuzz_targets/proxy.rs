//! The proxy's paths and headers, drawn by libFuzzer: the checks are those of the tests. `make fuzz-proxy` runs it; without
//! a sanitizer, as there is no unsafe code to watch.

#![no_main]

#[path = "../../tests/it/proxy/drawn.rs"]
mod drawn;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

use self::drawn::{Drawn, no_header_crosses_that_must_not, no_path_leaves_the_provider};

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    method: &'a str,
    area: u8,
    path: &'a str,
    query: Option<&'a str>,
    headers: Vec<(&'a str, &'a [u8])>,
    answer: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    let Input { method, area, path, query, headers, answer } = input;
    no_path_leaves_the_provider(&Drawn { method, area, path, query, answer });
    no_header_crosses_that_must_not(headers);
});
