//! Log of all requests, for tests and for the page at `/`. It holds no tokens and no bodies.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use time::OffsetDateTime;
use time::serde::rfc3339;

/// Maximum number of requests in detail; counts have no limit.
const MAX_ROWS: usize = 10_000;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordedRequest {
    /// Time of the response, by the provider's clock.
    #[serde(with = "rfc3339")]
    pub at: OffsetDateTime,
    /// Method name; SCIM methods have names such as `scim.users.list`.
    pub method: String,
    /// The HTTP status.
    pub status: u16,
    /// Error code of the response, or the injected fault.
    pub error: Option<String>,
    /// User of the token, or the app.
    pub account: Option<String>,
}

/// Contents of the log, for all methods or for one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RequestLogView {
    /// Number of requests by method, including those no longer listed.
    pub counts: BTreeMap<String, u64>,
    /// Number of 429 responses by method.
    pub throttled: BTreeMap<String, u64>,
    /// The newest requests, oldest first.
    pub requests: Vec<RecordedRequest>,
}

/// Records requests and counts them by method.
#[derive(Debug, Default)]
pub(crate) struct RequestRecorder {
    rows: VecDeque<RecordedRequest>,
    counts: BTreeMap<String, u64>,
    throttled: BTreeMap<String, u64>,
}

impl RequestRecorder {
    /// Adds a request.
    pub(crate) fn record(&mut self, request: RecordedRequest) {
        count(&mut self.counts, &request.method);
        if request.status == 429 {
            count(&mut self.throttled, &request.method);
        }
        if self.rows.len() == MAX_ROWS {
            self.rows.pop_front();
        }
        self.rows.push_back(request);
    }

    /// Returns everything, or the part of one method.
    pub(crate) fn view(&self, method: Option<&str>) -> RequestLogView {
        let is_match = |name: &str| method.is_none_or(|method| method == name);
        let part = |counts: &BTreeMap<String, u64>| {
            let entries = counts.iter().filter(|(name, _)| is_match(name));
            entries.map(|(name, count)| (name.clone(), *count)).collect()
        };
        RequestLogView {
            counts: part(&self.counts),
            throttled: part(&self.throttled),
            requests: self.rows.iter().filter(|row| is_match(&row.method)).cloned().collect(),
        }
    }

    /// Removes all entries and counts.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

fn count(counts: &mut BTreeMap<String, u64>, method: &str) {
    match counts.get_mut(method) {
        Some(count) => *count += 1,
        None => {
            counts.insert(method.to_owned(), 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_include_evicted_requests() {
        let mut log = RequestRecorder::default();
        for number in 0..=MAX_ROWS {
            log.record(RecordedRequest {
                at: OffsetDateTime::UNIX_EPOCH,
                method: if number % 2 == 0 { "users.info" } else { "auth.test" }.to_owned(),
                status: if number == 4 { 429 } else { 200 },
                error: None,
                account: None,
            });
        }
        let all = log.view(None);
        assert_eq!(all.requests.len(), MAX_ROWS);
        assert_eq!(all.counts.get("users.info"), Some(&5_001));
        assert_eq!(all.throttled.get("users.info"), Some(&1));
        assert_eq!(log.view(Some("auth.test")).requests.len(), 5_000);
        assert!(log.view(Some("auth.test")).throttled.is_empty());
    }
}
