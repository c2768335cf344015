//! Secrets that must not appear in a log, and the search for them.

/// Prefixes of secrets, and words that precede one.
const SECRET_MARKERS: [&str; 8] = [
    "sb_live_",
    "sb_acct_",
    "sb_link_",
    "xox",
    "Bearer ",
    "client_secret=",
    "refresh_token=",
    switchboard::sandbox::DEFAULT_CLIENT_SECRET,
];

/// Values that must not be logged, by kind.
#[derive(Debug, Default)]
pub(super) struct Secrets(Vec<(String, String)>);

impl Secrets {
    /// Adds one, unless it is empty.
    pub(super) fn add(&mut self, what: &str, secret: &str) {
        if !secret.is_empty() {
            self.0.push((what.to_owned(), secret.to_owned()));
        }
    }

    /// Returns how many there are of a kind.
    pub(super) fn count(&self, what: &str) -> usize {
        self.0.iter().filter(|(kind, _)| kind == what).count()
    }

    /// Returns the lines of `log` that leak a value, each once, with the value.
    pub(super) fn leaks_in(&self, log: &str) -> Vec<String> {
        log.lines()
            .filter_map(|line| Some(format!("{}: {line}", self.value_leaked_by(line)?)))
            .collect()
    }

    fn value_leaked_by(&self, line: &str) -> Option<String> {
        if let Some(mark) = SECRET_MARKERS.iter().find(|mark| line.contains(**mark)) {
            return Some(format!("{mark:?}"));
        }
        if let Some((what, _)) = self.0.iter().find(|(_, secret)| line.contains(secret)) {
            return Some(what.clone());
        }
        address(line).map(|address| format!("address {address}"))
    }
}

/// Returns anything like an e-mail address, also if percent-encoded.
fn address(line: &str) -> Option<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "._%+-".contains(c);
    line.split(|c: char| !is_part(c) && c != '@').find(|word| {
        let parts = word.split_once('@').or_else(|| word.split_once("%40"));
        parts.is_some_and(|(mailbox, domain)| {
            !mailbox.is_empty()
                && domain.split_once('.').is_some_and(|(host, top)| {
                    !host.is_empty() && top.starts_with(|c: char| c.is_ascii_alphabetic())
                })
        })
    })
}

#[test]
fn each_kind_of_leak_is_found() {
    let mut secrets = Secrets::default();
    secrets.add("cursor", "c2VjcmV0");
    secrets.add("nothing", "");
    for line in [
        "key sb_live_abc",
        "token=xoxe.xoxp-1",
        "\"authorization\": \"Bearer x\"",
        "next_cursor=c2VjcmV0",
        "user ada.lovelace@lumenworks.example was read",
        "GET /api/users.lookupByEmail?email=ada%40lumenworks.example",
        "secret is sandbox-client-secret-not-a-secret.",
    ] {
        assert_eq!(secrets.leaks_in(line).len(), 1, "{line}");
    }
}

#[test]
fn a_line_without_secrets_is_no_leak() {
    let line = "INFO switchboard::http::edge: answered request_id=\"req_01M\" method=GET \
        route=\"/link/{token}\" status=200 ms=4 at 127.0.0.1:80 user@ @home a@b";
    assert_eq!(Secrets::default().leaks_in(line), Vec::<String>::new());
}
