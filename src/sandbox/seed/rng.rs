//! Seeded random numbers and ids.

use std::collections::HashSet;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// Random numbers that are the same for the same seed on every machine.
pub(super) struct SeededRng {
    rng: Xoshiro256PlusPlus,
    ids: HashSet<u64>,
}

impl SeededRng {
    /// Returns a generator with this seed.
    pub(super) fn new(seed: u64) -> Self {
        Self { rng: Xoshiro256PlusPlus::seed_from_u64(seed), ids: HashSet::new() }
    }

    /// Returns a number below `end`, or 0 for an `end` of 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { self.rng.random_range(0..end) }
    }

    /// Returns a number of seconds below `end`, or 0 for an `end` of 0.
    pub(super) fn seconds(&mut self, end: i64) -> i64 {
        if end <= 0 { 0 } else { self.rng.random_range(0..end) }
    }

    /// Returns true with a probability of `percent`.
    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Returns a random element.
    pub(super) fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        list.get(self.below(list.len()))
    }

    /// Shuffles a list.
    pub(super) fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            let other = self.below(last + 1);
            list.swap(last, other);
        }
    }

    /// Returns a new id in Slack's format: the prefix and ten capitals and digits.
    pub(super) fn id(&mut self, prefix: &str) -> String {
        const ALPHABET: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        // Nine characters of 36 each: one random number is enough.
        const NUMBERS: u64 = 36_u64.pow(9);
        let mut number = loop {
            let number = self.rng.random_range(0..NUMBERS);
            if self.ids.insert(number) {
                break number;
            }
        };
        let mut id = String::with_capacity(prefix.len() + 10);
        id.push_str(prefix);
        id.push('0');
        for _ in 0..9 {
            let place = usize::try_from(number % 36).unwrap_or(0);
            id.push(ALPHABET.get(place).map_or('0', |byte| char::from(*byte)));
            number /= 36;
        }
        id
    }
}
