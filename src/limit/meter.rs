//! What is left of the budgets that a request took from.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How a budget stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The provider's method, or its name for a set of them.
    pub name: Arc<str>,
    /// Calls a minute.
    pub quota: u32,
    /// Calls that may go at once now.
    pub remaining: u32,
    /// When the budget is full again if nobody calls.
    pub reset: Duration,
}

/// Notes how the budgets stand that one request takes from. Clones share their notes.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Mutex<Vec<Standing>>>);

impl Meter {
    /// Notes how budgets stand now.
    pub fn note(&self, standings: &[Standing]) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for standing in standings {
            match notes.iter_mut().find(|known| known.name == standing.name) {
                Some(known) => known.clone_from(standing),
                None => notes.push(standing.clone()),
            }
        }
    }

    /// The notes, the tightest budget first.
    #[must_use]
    pub fn read(&self) -> Vec<Standing> {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        notes.sort_by_key(|standing| (standing.remaining, std::cmp::Reverse(standing.reset)));
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(name: &str, remaining: u32, seconds: u64) -> Standing {
        let reset = Duration::from_secs(seconds);
        Standing { name: name.into(), quota: 60, remaining, reset }
    }

    #[test]
    fn the_tightest_budget_comes_first_and_the_latest_note_counts() {
        let meter = Meter::default();
        meter.note(&[standing("a", 9, 1), standing("b", 3, 2)]);
        meter.note(&[standing("c", 3, 7), standing("a", 2, 8)]);
        let names: Vec<_> = meter.read().into_iter().map(|one| one.name.to_string()).collect();
        assert_eq!(names, ["a", "c", "b"]);
    }
}
