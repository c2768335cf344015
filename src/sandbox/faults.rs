//! Things that go wrong on purpose: which methods they hit, how often, and what they do.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The work is done, and the answer comes `seconds` later.
    Latency,
    /// 429 with `Retry-After: seconds`; the work is not done.
    RateLimited,
    /// HTTP 500 with `internal_error`; the work is not done.
    ServerError,
    /// HTTP 503 with a page in HTML; the work is not done.
    Html,
    /// A method of the Web API refuses with the code in `error`; the work is not done.
    Refused,
    /// The work is done, and half of the answer comes.
    CutBody,
    /// The work is done, and the connection is closed without an answer.
    LostAnswer,
    /// Nothing is done and nothing comes for `seconds`, then HTTP 504.
    Timeout,
}

/// A fault to be played.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The method it hits; absent or `*` for all, `scim.*` for all that start so.
    #[serde(default)]
    pub method: Option<String>,
    /// What goes wrong.
    pub kind: FaultKind,
    /// How many calls it hits; once when neither this nor `probability` is given.
    #[serde(default)]
    pub count: Option<u32>,
    /// The part of the calls it hits, from 0 to 1.
    #[serde(default)]
    pub probability: Option<f64>,
    /// How long it takes, in real seconds, or the `Retry-After` it names.
    #[serde(default)]
    pub seconds: Option<f64>,
    /// The code it refuses with; `internal_error` when none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Fault {
    /// A fault that hits the next `count` calls of a method.
    #[must_use]
    pub fn next(method: &str, kind: FaultKind, count: u32) -> Self {
        Self { method: Some(method.to_owned()), count: Some(count), ..Self::every(kind) }
    }

    /// A fault that hits every call.
    #[must_use]
    pub fn every(kind: FaultKind) -> Self {
        Self { method: None, kind, count: None, probability: None, seconds: None, error: None }
    }

    /// A refusal of the next `count` calls of a method, with this code.
    #[must_use]
    pub fn refusal(method: &str, code: &str, count: u32) -> Self {
        Self { error: Some(code.to_owned()), ..Self::next(method, FaultKind::Refused, count) }
    }

    fn concerns(&self, method: &str) -> bool {
        match self.method.as_deref() {
            None | Some("*") => true,
            Some(wanted) => match wanted.strip_suffix('*') {
                Some(start) => method.starts_with(start),
                None => wanted == method,
            },
        }
    }
}

/// A fault as it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FaultStatus {
    /// Its number.
    pub id: u64,
    /// The fault; its `count` is what is left.
    #[serde(flatten)]
    pub fault: Fault,
    /// How many calls it has hit.
    pub hits: u64,
}

/// A fault that hit a call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hit {
    /// What goes wrong.
    pub(crate) kind: FaultKind,
    /// How long it takes, when it was said.
    pub(crate) seconds: Option<f64>,
    /// The code it refuses with.
    pub(crate) error: Option<String>,
}

/// All faults that wait for a call.
#[derive(Debug)]
pub(crate) struct Faults {
    waiting: Vec<FaultStatus>,
    last_id: u64,
    dice: Xoshiro256PlusPlus,
}

impl Faults {
    /// No faults; the dice of the probabilities start from `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self { waiting: Vec::new(), last_id: 0, dice: Xoshiro256PlusPlus::seed_from_u64(seed) }
    }

    /// Adds a fault and says its number.
    pub(crate) fn add(&mut self, mut fault: Fault) -> u64 {
        if fault.count.is_none() && fault.probability.is_none() {
            fault.count = Some(1);
        }
        self.last_id += 1;
        self.waiting.push(FaultStatus { id: self.last_id, fault, hits: 0 });
        self.last_id
    }

    /// The faults that wait.
    pub(crate) fn list(&self) -> Vec<FaultStatus> {
        self.waiting.clone()
    }

    /// Drops all faults.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// The fault that this call meets, if any. It is spent by that.
    pub(crate) fn meet(&mut self, method: &str) -> Option<Hit> {
        let dice = &mut self.dice;
        let status = self.waiting.iter_mut().find(|status| {
            let probability = status.fault.probability.unwrap_or(1.0);
            status.fault.concerns(method) && dice.random::<f64>() < probability
        })?;
        status.hits += 1;
        if let Some(count) = &mut status.fault.count {
            *count = count.saturating_sub(1);
        }
        let Fault { kind, seconds, ref error, .. } = status.fault;
        let hit = Hit { kind, seconds, error: error.clone() };
        self.waiting.retain(|status| status.fault.count != Some(0));
        Some(hit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counted_fault_hits_so_many_calls_of_its_method() {
        let mut faults = Faults::new(1);
        faults.add(Fault::next("users.info", FaultKind::Html, 2));
        assert_eq!(faults.meet("auth.test"), None);
        assert_eq!(faults.meet("users.info").map(|hit| hit.kind), Some(FaultKind::Html));
        assert!(faults.meet("users.info").is_some());
        assert_eq!(faults.meet("users.info"), None);
        assert!(faults.list().is_empty());
    }

    #[test]
    fn a_probable_fault_hits_its_share() {
        let mut faults = Faults::new(1);
        let fault = r#"{"method":"scim.*","kind":"server_error","probability":0.25}"#;
        faults.add(serde_json::from_str(fault).unwrap());
        let hits = (0..1_000).filter(|_| faults.meet("scim.users.list").is_some()).count();
        assert!((200..300).contains(&hits), "{hits}");
        assert_eq!(faults.meet("users.list"), None);
        faults.clear();
        assert_eq!(faults.meet("scim.users.list"), None);
    }
}
