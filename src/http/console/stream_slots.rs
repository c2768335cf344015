//! Slots for live streams: so many in a process, and so many in each session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::sealed::Digest;

/// Streams of a process at most.
const MAX_STREAMS: usize = 128;
/// Streams of a session at most: no session takes those of the others.
const MAX_STREAMS_OF_SESSION: usize = 6;

/// Slots for streams, by the digests of sessions. Clones share them.
#[derive(Debug, Clone, Default)]
pub(in crate::http) struct StreamSlots(Arc<Mutex<HashMap<Digest, usize>>>);

/// A slot, released when dropped.
#[derive(Debug)]
pub(super) struct StreamSlot {
    slots: StreamSlots,
    session: Digest,
}

impl StreamSlots {
    /// Returns a slot; `None` when the session or the process has as many streams as it may.
    pub(super) fn take(&self, session: Digest) -> Option<StreamSlot> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.get(&session).copied().unwrap_or_default();
        if own >= MAX_STREAMS_OF_SESSION || taken.values().sum::<usize>() >= MAX_STREAMS {
            return None;
        }
        taken.insert(session, own + 1);
        Some(StreamSlot { slots: self.clone(), session })
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        let mut taken = self.slots.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.get(&self.session).copied().unwrap_or_default();
        if own > 1 {
            taken.insert(self.session, own - 1);
        } else {
            taken.remove(&self.session);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_takes_no_slots_of_others() {
        let slots = StreamSlots::default();
        let (one, other) = (Digest::of("one"), Digest::of("other"));
        let mut taken: Vec<_> = std::iter::from_fn(|| slots.take(one)).collect();
        assert_eq!(taken.len(), MAX_STREAMS_OF_SESSION);
        assert!(slots.take(other).is_some());
        drop(taken.pop());
        assert!(slots.take(one).is_some(), "a slot was released");
        drop(taken);
        assert!(slots.0.lock().unwrap().is_empty(), "nothing remains of sessions without streams");
    }

    #[test]
    fn all_sessions_share_the_slots_of_the_process() {
        let slots = StreamSlots::default();
        let taken: Vec<_> = (0..MAX_STREAMS)
            .filter_map(|number| slots.take(Digest::of(&number.to_string())))
            .collect();
        assert_eq!(taken.len(), MAX_STREAMS);
        assert!(slots.take(Digest::of("one more")).is_none());
    }
}
