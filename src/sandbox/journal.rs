//! The record of every call, for tests and for curiosity. No tokens, no bodies.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use time::OffsetDateTime;
use time::serde::rfc3339;

/// So many of the newest rows are kept; the counts go on for ever.
const ROWS: usize = 10_000;

/// One call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Request {
    /// When it was answered, by the provider's clock.
    #[serde(with = "rfc3339")]
    pub at: OffsetDateTime,
    /// The method, SCIM ones by names such as `scim.users.list`.
    pub method: String,
    /// The HTTP status.
    pub status: u16,
    /// The error code of the answer, or the fault that was played.
    pub error: Option<String>,
    /// The user of the token, or the app.
    pub account: Option<String>,
}

/// A view of the journal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Requests {
    /// Calls by method, all there ever were.
    pub counts: BTreeMap<String, u64>,
    /// Calls answered 429 by method.
    pub throttled: BTreeMap<String, u64>,
    /// The newest calls, oldest of them first.
    pub requests: Vec<Request>,
}

/// The journal.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    rows: VecDeque<Request>,
    counts: BTreeMap<String, u64>,
    throttled: BTreeMap<String, u64>,
}

impl Journal {
    /// Writes a call down.
    pub(crate) fn record(&mut self, request: Request) {
        count(&mut self.counts, &request.method);
        if request.status == 429 {
            count(&mut self.throttled, &request.method);
        }
        if self.rows.len() == ROWS {
            self.rows.pop_front();
        }
        self.rows.push_back(request);
    }

    /// Everything, or what concerns one method.
    pub(crate) fn view(&self, method: Option<&str>) -> Requests {
        let wanted = |name: &str| method.is_none_or(|method| method == name);
        let part = |counts: &BTreeMap<String, u64>| {
            let entries = counts.iter().filter(|(name, _)| wanted(name));
            entries.map(|(name, count)| (name.clone(), *count)).collect()
        };
        Requests {
            counts: part(&self.counts),
            throttled: part(&self.throttled),
            requests: self.rows.iter().filter(|row| wanted(&row.method)).cloned().collect(),
        }
    }

    /// Forgets everything.
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
    fn counts_go_on_when_old_rows_are_dropped() {
        let mut journal = Journal::default();
        for number in 0..=ROWS {
            journal.record(Request {
                at: OffsetDateTime::UNIX_EPOCH,
                method: if number % 2 == 0 { "users.info" } else { "auth.test" }.to_owned(),
                status: if number == 4 { 429 } else { 200 },
                error: None,
                account: None,
            });
        }
        let all = journal.view(None);
        assert_eq!(all.requests.len(), ROWS);
        assert_eq!(all.counts.get("users.info"), Some(&5_001));
        assert_eq!(all.throttled.get("users.info"), Some(&1));
        assert_eq!(journal.view(Some("auth.test")).requests.len(), 5_000);
        assert!(journal.view(Some("auth.test")).throttled.is_empty());
    }
}
