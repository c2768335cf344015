//! Fuzzes the proxy's paths and headers with libFuzzer, using the checks of the tests. `make fuzz-proxy` runs it,
//! without a sanitizer: the code has no `unsafe`.

#![no_main]

#[path = "../../tests/it/proxy/generated.rs"]
mod generated;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

use self::generated::{RawCall, no_forbidden_header_is_forwarded, no_path_leaves_the_provider};

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    method: &'a str,
    area: u8,
    path: &'a str,
    query: Option<&'a str>,
    headers: Vec<(&'a str, &'a [u8])>,
    response: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    let Input { method, area, path, query, headers, response } = input;
    no_path_leaves_the_provider(&RawCall { method, area, path, query, response });
    no_forbidden_header_is_forwarded(headers);
});
