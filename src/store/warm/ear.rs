//! Whether we hear of every change, and what follows from it when we don't.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use tokio::sync::Notify;

/// Whether every change is heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hearing {
    /// Not: what is kept may be old, the database is asked.
    Not,
    /// Yes: what is kept is true.
    Clearly,
    /// Not any more, since a moment ago, and nobody knows yet whether the database is away: it is asked, and who
    /// gets no answer waits for the verdict.
    Losing,
    /// The database can't be reached by us, and went a short while ago: what is kept is the last that
    /// is known, and better than a failed call.
    Away,
}

/// Where the state is kept, for caches that look at it on every call.
#[derive(Debug)]
pub(super) struct Ear {
    hearing: AtomicU8,
    /// Counts halves of the age that a row may have.
    period: AtomicU32,
    went_away: Notify,
}

impl Ear {
    /// One that hears nothing yet.
    pub(super) fn new() -> Self {
        Self {
            hearing: AtomicU8::new(Hearing::Not as u8),
            period: AtomicU32::new(0),
            went_away: Notify::new(),
        }
    }

    /// The state.
    pub(super) fn now(&self) -> Hearing {
        match self.hearing.load(Ordering::SeqCst) {
            1 => Hearing::Clearly,
            2 => Hearing::Losing,
            3 => Hearing::Away,
            _ => Hearing::Not,
        }
    }

    /// The present period, for a row that is about to be read.
    pub(super) fn period(&self) -> u32 {
        self.period.load(Ordering::Relaxed)
    }

    /// Begins the next period: rows that were read before the last one are too old.
    pub(super) fn begin_period(&self) {
        self.period.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether a row is recent enough that was read in that period. In an outage age doesn't matter.
    pub(super) fn is_recent(&self, period: u32) -> bool {
        self.period().wrapping_sub(period) <= 1 || self.now() == Hearing::Away
    }

    /// Changes the state.
    pub(super) fn set(&self, hearing: Hearing) {
        self.hearing.store(hearing as u8, Ordering::SeqCst);
        if hearing == Hearing::Away {
            self.went_away.notify_waiters();
        }
    }

    /// Waits until the database is known to be away.
    pub(super) async fn is_away(&self) {
        let went_away = self.went_away.notified();
        if self.now() != Hearing::Away {
            went_away.await;
        }
    }
}
