//! Conversion between full members and multi-channel guests, and guest expirations, in all
//! workspaces, as SCIM does it.

use super::{Edit, OrgChange, ProfileError};
use crate::sandbox::org::{GuestAccess, OrgLevel, PersonIndex, WorkspaceLevel};

impl Edit<'_> {
    /// Validates a new guest level or expiration for an account; `index` is `None` for a new one.
    pub(super) fn validate_guest_access(
        &self,
        index: Option<PersonIndex>,
        held: Option<GuestAccess>,
        requested: Option<GuestAccess>,
    ) -> Result<(), ProfileError> {
        let Some(access) = requested.filter(|_| requested != held) else {
            return Ok(());
        };
        let ends_anew = held.is_none_or(|held| held.expires != access.expires);
        if ends_anew && access.expires != 0 && access.expires <= self.now {
            return Err(ProfileError::ExpirationInPast);
        }
        let person = index.and_then(|index| Some((index, self.person(index)?)));
        let ranks = person.is_some_and(|(index, person)| {
            let above = person.memberships.iter().any(|one| one.level >= WorkspaceLevel::Admin);
            above || person.org_level != OrgLevel::Member || self.is_any_primary_owner(index)
        });
        if ranks { Err(ProfileError::HasAdminLevel) } else { Ok(()) }
    }

    /// Converts an account to a guest or a full member. The caller has validated it. Returns
    /// whether the kind of member changed.
    pub(super) fn set_guest_access(
        &mut self,
        index: PersonIndex,
        requested: Option<GuestAccess>,
    ) -> bool {
        let Some(person) = self.person(index) else {
            return false;
        };
        let (was_guest, expires) = (person.guest_level().is_some(), person.expires());
        match requested {
            None => {
                // Fails only for accounts that are not guests.
                let _ = self.promote_guest(index);
            }
            Some(access) => {
                self.apply_guest_access(index, access);
                if access.expires != expires {
                    self.record(OrgChange::Expiration { person: index, at: access.expires });
                }
            }
        }
        was_guest != requested.is_some()
    }

    fn apply_guest_access(&mut self, index: PersonIndex, access: GuestAccess) {
        let now = self.now;
        let Some(person) = self.org.person_mut(index) else {
            return;
        };
        let mut changed = Vec::new();
        if person.memberships.is_empty() && person.guest_level().is_none() {
            changed.push(None);
        }
        person.pending_guest_expiration = person.memberships.is_empty().then_some(access.expires);
        person.updated = now;
        for membership in &mut person.memberships {
            if membership.level != access.level {
                changed.push(Some(membership.workspace));
            }
            membership.level = access.level;
            membership.expires = access.expires;
        }
        self.org.index_guest_expiration(index);
        for workspace in changed {
            self.record(OrgChange::Level { person: index, workspace, level: access.level });
        }
    }
}
