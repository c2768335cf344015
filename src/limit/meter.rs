//! What is left of the budgets that a request took from.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How a budget stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The provider's method, or its name for a set of them.
    pub name: Cow<'static, str>,
    /// Calls a minute.
    pub quota: u32,
    /// Calls that may go at once now.
    pub remaining: u32,
    /// When the budget is full again if nobody calls.
    pub reset: Duration,
}

/// Notes how the budgets stand that one request takes from.
#[derive(Debug, Default)]
pub struct Meter(Mutex<Vec<Standing>>);

impl Meter {
    /// Notes how budgets stand now.
    pub fn note(&self, standings: Vec<Standing>) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.is_empty() {
            *notes = standings;
            return;
        }
        for standing in standings {
            match notes.iter_mut().find(|known| known.name == standing.name) {
                Some(known) => *known = standing,
                None => notes.push(standing),
            }
        }
    }

    /// What `show` makes of the notes, the tightest budget first.
    pub fn read<T>(&self, show: impl FnOnce(&[Standing]) -> T) -> T {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.sort_by_key(|standing| (standing.remaining, std::cmp::Reverse(standing.reset)));
        show(&notes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(name: &str, remaining: u32, seconds: u64) -> Standing {
        let reset = Duration::from_secs(seconds);
        Standing { name: name.to_owned().into(), quota: 60, remaining, reset }
    }

    #[test]
    fn the_tightest_budget_comes_first_and_the_latest_note_counts() {
        let meter = Meter::default();
        meter.note(vec![standing("a", 9, 1), standing("b", 3, 2)]);
        meter.note(vec![standing("c", 3, 7), standing("a", 2, 8)]);
        let names =
            meter.read(|notes| notes.iter().map(|one| one.name.to_string()).collect::<Vec<_>>());
        assert_eq!(names, ["a", "c", "b"]);
    }
}
