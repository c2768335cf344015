//! Fault injection: which methods a fault affects, how often, and its effect.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

/// Effect of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Processes the request and delays the response by `seconds`.
    Latency,
    /// Returns 429 with `Retry-After: seconds`; does not process the request.
    RateLimited,
    /// Returns HTTP 500 with `internal_error`; does not process the request.
    ServerError,
    /// Returns HTTP 503 with an HTML page; does not process the request.
    Html,
    /// Returns the code in `error` (Web API methods only); does not process the request.
    Refused,
    /// Processes the request and sends half of the response.
    CutBody,
    /// Processes the request and closes the connection without a response.
    LostResponse,
    /// Sends nothing for `seconds`, then HTTP 504; does not process the request.
    Timeout,
}

/// A fault to inject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Affected method; absent or `*` for all, `scim.*` for all with this prefix.
    #[serde(default)]
    pub method: Option<String>,
    /// Effect.
    pub kind: FaultKind,
    /// Number of calls to affect; 1 if neither `count` nor `probability` is given.
    #[serde(default)]
    pub count: Option<u32>,
    /// Share of the calls to affect, from 0 to 1.
    #[serde(default)]
    pub probability: Option<f64>,
    /// Delay in real seconds, or the value of `Retry-After`.
    #[serde(default)]
    pub seconds: Option<f64>,
    /// Error code of a `refused` fault; `internal_error` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Fault {
    /// Returns a fault for the next `count` calls of a method.
    #[must_use]
    pub fn for_next_calls(method: &str, kind: FaultKind, count: u32) -> Self {
        Self { method: Some(method.to_owned()), count: Some(count), ..Self::for_every_call(kind) }
    }

    /// Returns a fault for every call.
    #[must_use]
    pub fn for_every_call(kind: FaultKind) -> Self {
        Self { method: None, kind, count: None, probability: None, seconds: None, error: None }
    }

    /// Returns a `refused` fault with this code for the next `count` calls of a method.
    #[must_use]
    pub fn refused(method: &str, code: &str, count: u32) -> Self {
        Self {
            error: Some(code.to_owned()),
            ..Self::for_next_calls(method, FaultKind::Refused, count)
        }
    }

    fn matches(&self, method: &str) -> bool {
        match self.method.as_deref() {
            None | Some("*") => true,
            Some(pattern) => match pattern.strip_suffix('*') {
                Some(start) => method.starts_with(start),
                None => pattern == method,
            },
        }
    }
}

/// A pending fault.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FaultStatus {
    /// Id of the fault.
    pub id: u64,
    /// The fault; `count` is the remaining number.
    #[serde(flatten)]
    pub fault: Fault,
    /// Number of calls it has affected.
    pub hits: u64,
}

/// The fault to inject into a call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct InjectedFault {
    /// Effect.
    pub(crate) kind: FaultKind,
    /// Delay or `Retry-After`, if given.
    pub(crate) seconds: Option<f64>,
    /// Error code, if given.
    pub(crate) error: Option<String>,
}

/// All pending faults.
#[derive(Debug)]
pub(crate) struct FaultInjector {
    pending: Vec<FaultStatus>,
    last_id: u64,
    rng: Xoshiro256PlusPlus,
}

impl FaultInjector {
    /// Returns an injector without faults; `seed` determines the random numbers.
    pub(crate) fn new(seed: u64) -> Self {
        Self { pending: Vec::new(), last_id: 0, rng: Xoshiro256PlusPlus::seed_from_u64(seed) }
    }

    /// Adds a fault and returns its id.
    pub(crate) fn add(&mut self, mut fault: Fault) -> u64 {
        if fault.count.is_none() && fault.probability.is_none() {
            fault.count = Some(1);
        }
        self.last_id += 1;
        self.pending.push(FaultStatus { id: self.last_id, fault, hits: 0 });
        self.last_id
    }

    /// Returns the pending faults.
    pub(crate) fn list(&self) -> Vec<FaultStatus> {
        self.pending.clone()
    }

    /// Removes all faults.
    pub(crate) fn clear(&mut self) {
        self.pending.clear();
    }

    /// Returns the fault for this call, if any, and decrements its count.
    pub(crate) fn take_matching(&mut self, method: &str) -> Option<InjectedFault> {
        let rng = &mut self.rng;
        let status = self.pending.iter_mut().find(|status| {
            let probability = status.fault.probability.unwrap_or(1.0);
            status.fault.matches(method) && rng.random::<f64>() < probability
        })?;
        status.hits += 1;
        if let Some(count) = &mut status.fault.count {
            *count = count.saturating_sub(1);
        }
        let Fault { kind, seconds, ref error, .. } = status.fault;
        let hit = InjectedFault { kind, seconds, error: error.clone() };
        self.pending.retain(|status| status.fault.count != Some(0));
        Some(hit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_fault_affects_exactly_count_calls() {
        let mut faults = FaultInjector::new(1);
        faults.add(Fault::for_next_calls("users.info", FaultKind::Html, 2));
        assert_eq!(faults.take_matching("auth.test"), None);
        assert_eq!(faults.take_matching("users.info").map(|hit| hit.kind), Some(FaultKind::Html));
        assert!(faults.take_matching("users.info").is_some());
        assert_eq!(faults.take_matching("users.info"), None);
        assert!(faults.list().is_empty());
    }

    #[test]
    fn probabilistic_fault_affects_its_share() {
        let mut faults = FaultInjector::new(1);
        let fault = r#"{"method":"scim.*","kind":"server_error","probability":0.25}"#;
        faults.add(serde_json::from_str(fault).unwrap());
        let hits = (0..1_000).filter(|_| faults.take_matching("scim.users.list").is_some()).count();
        assert!((200..300).contains(&hits), "{hits}");
        assert_eq!(faults.take_matching("users.list"), None);
        faults.clear();
        assert_eq!(faults.take_matching("scim.users.list"), None);
    }
}
