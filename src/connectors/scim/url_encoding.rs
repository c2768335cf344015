//! Paths and queries of a SCIM server. All but unreserved characters and a few common ones are escaped: servers differ
//! in what they take a `+` or a semicolon for.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The characters that are escaped in a query.
const QUERY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':').remove(b',');
/// The characters that are escaped in a segment of a path.
const SEGMENT: &AsciiSet = &QUERY.remove(b'@').remove(b'=').remove(b'$').remove(b'!');

/// Joins segments to a path.
pub(super) fn encode_path(segments: &[&str]) -> String {
    let encoded: Vec<String> =
        segments.iter().map(|segment| utf8_percent_encode(segment, SEGMENT).to_string()).collect();
    encoded.join("/")
}

/// Joins parameters to a query; `None` without parameters.
pub(super) fn encode_query(parameters: &[(&str, &str)]) -> Option<String> {
    let pair = |(name, value): &(&str, &str)| {
        format!("{}={}", utf8_percent_encode(name, QUERY), utf8_percent_encode(value, QUERY))
    };
    let pairs: Vec<String> = parameters.iter().map(pair).collect();
    (!pairs.is_empty()).then(|| pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_servers_read_differently() {
        assert_eq!(
            encode_path(&["Users", "a+b/c d%e?f#g;h&i"]),
            "Users/a%2Bb%2Fc%20d%25e%3Ff%23g%3Bh%26i"
        );
        assert_eq!(encode_path(&["Users", "ada@example.com", "ü"]), "Users/ada@example.com/%C3%BC");
        let filter = [("filter", "userName eq \"a+b&c\""), ("count", "1")];
        let expected = "filter=userName%20eq%20%22a%2Bb%26c%22&count=1";
        assert_eq!(encode_query(&filter).as_deref(), Some(expected));
        assert_eq!(encode_query(&[]), None);
    }
}
