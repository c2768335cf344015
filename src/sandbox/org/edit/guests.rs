//! Full members that become guests of several channels, and guests whose stay changes or who
//! become full members: everywhere at once, as SCIM does it.

use super::{Change, Edit, Flaw};
use crate::sandbox::org::{Level, OrgLevel, PersonIndex, Stay};

impl Edit<'_> {
    /// Whether an account that is no guest, or one with another stay, may be given this one.
    pub(super) fn check_stay(
        &self,
        index: Option<PersonIndex>,
        held: Option<Stay>,
        wanted: Option<Stay>,
    ) -> Result<(), Flaw> {
        let Some(stay) = wanted.filter(|_| wanted != held) else {
            return Ok(());
        };
        let ends_anew = held.is_none_or(|held| held.expires != stay.expires);
        if ends_anew && stay.expires != 0 && stay.expires <= self.now {
            return Err(Flaw::StayOver);
        }
        let person = index.and_then(|index| Some((index, self.person(index)?)));
        let ranks = person.is_some_and(|(index, person)| {
            let above = person.memberships.iter().any(|one| one.level >= Level::Admin);
            above || person.org_level != OrgLevel::Member || self.leads(index)
        });
        if ranks { Err(Flaw::Ranks) } else { Ok(()) }
    }

    /// Makes an account a guest with a stay, or a full member. What was checked before is not
    /// checked again. Says whether that made it the other sort of member.
    pub(super) fn set_stay(&mut self, index: PersonIndex, wanted: Option<Stay>) -> bool {
        let Some(person) = self.person(index) else {
            return false;
        };
        let (was_guest, expires) = (person.guest().is_some(), person.expires());
        let unplaced = person.memberships.is_empty();
        match wanted {
            None => {
                // It refuses only those who are no guests.
                let _ = self.make_member(index);
            }
            Some(stay) => {
                self.place_stay(index, stay);
                if stay.expires != expires {
                    self.record(Change::Expiration { person: index, at: stay.expires });
                }
            }
        }
        let turned = was_guest != wanted.is_some();
        if turned && unplaced {
            self.record(Change::Profile(index));
        }
        turned
    }

    fn place_stay(&mut self, index: PersonIndex, stay: Stay) {
        let now = self.now;
        let Some(person) = self.org.person_mut(index) else {
            return;
        };
        person.unplaced = person.memberships.is_empty().then_some(stay.expires);
        person.updated = now;
        let mut changed = Vec::new();
        for membership in &mut person.memberships {
            if membership.level != stay.level {
                changed.push(membership.workspace);
            }
            membership.level = stay.level;
            membership.expires = stay.expires;
        }
        self.org.note_stay(index);
        for workspace in changed {
            self.record(Change::Level { person: index, workspace, level: stay.level });
        }
    }
}
