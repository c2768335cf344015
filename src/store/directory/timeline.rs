//! Which entry of the provider's audit log explains which event. An entry belongs to the first event about its object
//! that was found by a read after it: the event before was read too early, a later one would have been found before. An
//! event whose entries leave a doubt has no actor: to name the wrong person is worse than to name none.

use std::collections::{BTreeMap, BTreeSet};

use time::{Duration, OffsetDateTime};

use crate::domain::effect::FoundChange;
use crate::domain::reported_change::Cause;
use crate::domain::sync::CopyKind;

/// How much the provider's clock may be ahead.
const CLOCK_TOLERANCE: Duration = Duration::seconds(2);

/// An event that entries may explain.
#[derive(Debug)]
pub(super) struct TimedEvent {
    /// What changed.
    pub(super) change: FoundChange,
    /// The object of the copy.
    pub(super) object: (CopyKind, String),
    /// When the object was requested from the provider.
    pub(super) read_at: OffsetDateTime,
    /// When the change was found.
    pub(super) at: OffsetDateTime,
}

/// An entry of the audit log, and until when it explains events.
#[derive(Debug)]
pub(super) struct TimedCause {
    /// The entry.
    pub(super) cause: Cause,
    /// When the object was read after the entry was known: its change is not found by a later read.
    pub(super) settled_at: OffsetDateTime,
}

/// What the entries say of an event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict<'a> {
    /// This entry, the last of those that made the change, at this time.
    Made(&'a Cause, OffsetDateTime),
    /// Several actors, or not all of the change, or perhaps another event.
    Doubtful,
    /// Nothing.
    Unknown,
}

/// The entries of an event.
#[derive(Debug, Default)]
struct Entries {
    /// Those that the read of the event is the first after.
    certain: BTreeSet<usize>,
    /// Those just after it, which are certain of a later event.
    of_a_later_one: BTreeSet<usize>,
    /// Those just after it that belong to no other event.
    just_after: BTreeSet<usize>,
    /// Those that are certain of the event before, unless they were made in the rest of the second of its read.
    of_the_one_before: BTreeSet<usize>,
}

/// Returns what the entries say of each event; `events` are in the order in which they were found.
pub(super) fn explain<'a>(events: &[TimedEvent], causes: &'a [TimedCause]) -> Vec<Verdict<'a>> {
    let mut by_object: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for (index, event) in events.iter().enumerate() {
        let (kind, id) = &event.object;
        by_object.entry((kind.name(), id)).or_default().push(index);
    }
    let mut entries: BTreeMap<usize, Entries> = BTreeMap::new();
    for chain in by_object.values() {
        for (number, cause) in causes.iter().enumerate() {
            assign(events, chain, (number, cause), &mut entries);
        }
    }
    let verdict = |index: usize| {
        let (Some(event), Some(own)) = (events.get(index), entries.get(&index)) else {
            return Verdict::Unknown;
        };
        if own.certain.is_empty() {
            return decide(event, &own.just_after, causes);
        }
        // An event before it without entries may have had them, if the provider's clock is ahead; and one after it, if
        // they were made later in the second of the read.
        let chain = by_object.get(&(event.object.0.name(), event.object.1.as_str()));
        let others = chain.into_iter().flatten().filter(|other| **other != index);
        let claims = |other: &usize| {
            entries.get(other).is_some_and(|other| {
                let claimed = [&other.of_a_later_one, &other.of_the_one_before];
                other.certain.is_empty()
                    && claimed.iter().any(|claimed| !claimed.is_disjoint(&own.certain))
            })
        };
        if others.into_iter().any(claims) {
            return Verdict::Doubtful;
        }
        decide(event, &own.certain, causes)
    };
    (0..events.len()).map(verdict).collect()
}

/// Assigns an entry to the events about one object.
fn assign(
    events: &[TimedEvent],
    chain: &[usize],
    (number, timed): (usize, &TimedCause),
    entries: &mut BTreeMap<usize, Entries>,
) {
    let at = timed.cause.at;
    let concerned = || {
        chain.iter().filter_map(|index| Some((*index, events.get(*index)?))).filter(|(_, event)| {
            event.read_at <= timed.settled_at
                && event.change.unexplained(timed.cause.effects.iter()).is_some()
        })
    };
    let mut after = concerned().filter(|(_, event)| event.read_at >= at);
    let first_after = after.next();
    let second_after = after.next().map(|(index, _)| index);
    let same_second = first_after.is_some_and(|(_, event)| event.read_at < at + Duration::SECOND);
    let first_after = first_after.map(|(index, _)| index);
    let just_before = concerned()
        .rfind(|(_, event)| event.read_at < at && at <= event.at + CLOCK_TOLERANCE)
        .map(|(index, _)| index);
    if let Some(index) = first_after {
        entries.entry(index).or_default().certain.insert(number);
    }
    if let Some(index) = second_after.filter(|_| same_second) {
        entries.entry(index).or_default().of_the_one_before.insert(number);
    }
    if let Some(index) = just_before {
        let own = entries.entry(index).or_default();
        let later =
            if first_after.is_some() { &mut own.of_a_later_one } else { &mut own.just_after };
        later.insert(number);
    }
}

/// Decides by the entries that explain an event: all of the change, by one actor.
fn decide<'a>(
    event: &TimedEvent,
    numbers: &BTreeSet<usize>,
    causes: &'a [TimedCause],
) -> Verdict<'a> {
    let found: Vec<&'a Cause> =
        numbers.iter().filter_map(|number| Some(&causes.get(*number)?.cause)).collect();
    let Some(last) = found.iter().max_by_key(|cause| cause.at) else { return Verdict::Unknown };
    let is_one_actor =
        last.actor.id.is_some() && found.iter().all(|cause| cause.actor.id == last.actor.id);
    let effects = found.iter().flat_map(|cause| &cause.effects);
    let is_explained = event.change.unexplained(effects).is_some_and(|left| left.is_empty());
    if is_one_actor && is_explained {
        Verdict::Made(last, last.at.min(event.at))
    } else {
        Verdict::Doubtful
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};
    use time::macros::datetime;

    use super::*;
    use crate::domain::effect::Effect;
    use crate::domain::event::{EventActor, EventKind};

    const START: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

    fn after(seconds: i64) -> OffsetDateTime {
        START + Duration::seconds(seconds)
    }

    fn titled(read_at: i64) -> TimedEvent {
        let fields = |value: serde_json::Value| value.as_object().cloned().unwrap_or_else(Map::new);
        TimedEvent {
            change: FoundChange {
                kind: EventKind::UserUpdated,
                object: fields(json!({"id": "U1", "title": "B"})),
                earlier: fields(json!({"title": "A"})),
            },
            object: (CopyKind::User, "U1".to_owned()),
            read_at: after(read_at),
            at: after(read_at) + Duration::milliseconds(500),
        }
    }

    fn entry(actor: &str, at: i64) -> TimedCause {
        let actor = EventActor {
            kind: "user".to_owned(),
            id: Some(actor.to_owned()),
            name: None,
            app: None,
            request_id: None,
        };
        let effects = vec![Effect::on("id", "U1", &[EventKind::UserUpdated]).changing(&["title"])];
        TimedCause { cause: Cause { actor, at: after(at), effects }, settled_at: after(1_000) }
    }

    /// Returns the actors of the events that were read at these times.
    fn actors(reads: &[i64], entries: &[(&str, i64)]) -> Vec<String> {
        let events: Vec<TimedEvent> = reads.iter().map(|at| titled(*at)).collect();
        let causes: Vec<TimedCause> = entries.iter().map(|(who, at)| entry(who, *at)).collect();
        let name = |verdict: Verdict<'_>| match verdict {
            Verdict::Made(cause, _) => cause.actor.id.clone().unwrap_or_default(),
            Verdict::Doubtful => "?".to_owned(),
            Verdict::Unknown => "-".to_owned(),
        };
        explain(&events, &causes).into_iter().map(name).collect()
    }

    #[test]
    fn an_entry_belongs_to_the_first_read_after_it() {
        assert_eq!(actors(&[10, 20], &[("A", 9), ("B", 19)]), ["A", "B"]);
        assert_eq!(actors(&[10, 20], &[("B", 19)]), ["-", "B"]);
        assert_eq!(actors(&[10, 20], &[("A", 9)]), ["A", "-"]);
        assert_eq!(actors(&[10, 20], &[("A", 9), ("A", 10), ("B", 11), ("B", 20)]), ["A", "B"]);
        assert_eq!(actors(&[10], &[("A", 8), ("B", 9)]), ["?"]);
        assert_eq!(actors(&[10], &[("A", 30)]), ["-"]);
    }

    #[test]
    fn an_entry_just_after_the_only_read_explains_it_and_leaves_a_doubt_with_another() {
        assert_eq!(actors(&[10], &[("A", 12)]), ["A"]);
        assert_eq!(actors(&[10], &[("A", 13)]), ["-"]);
        assert_eq!(actors(&[10, 20], &[("B", 12)]), ["-", "?"]);
        assert_eq!(actors(&[10, 20], &[("A", 10), ("B", 12)]), ["A", "B"]);
    }

    #[test]
    fn an_entry_of_the_second_of_a_read_leaves_a_doubt_if_the_next_event_has_none() {
        assert_eq!(actors(&[10], &[("A", 10)]), ["A"]);
        assert_eq!(actors(&[10, 20], &[("A", 10)]), ["?", "-"]);
        assert_eq!(actors(&[10, 20], &[("A", 10), ("B", 20)]), ["A", "B"]);
    }

    #[test]
    fn an_entry_does_not_explain_what_is_found_after_its_object_was_read_for_it() {
        let causes = [TimedCause { settled_at: after(15), ..entry("A", 9) }];
        assert_eq!(explain(&[titled(20)], &causes), [Verdict::Unknown]);
    }
}
