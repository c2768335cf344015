//! Ending sessions, and session settings.

use super::{Edit, EditError, OrgChange};
use crate::sandbox::org::{OrgLevel, PersonIndex, Session, SessionSettings};

/// Which sessions of an account to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceFilter {
    /// All sessions.
    All,
    /// Sessions on phones.
    Mobile,
    /// All other sessions.
    Web,
}

/// Valid session durations in seconds: from eight hours to ten years.
const SESSION_DURATIONS_S: std::ops::RangeInclusive<i64> = 28_800..=315_569_520;

impl Edit<'_> {
    /// Ends the sessions of an account on the given devices.
    ///
    /// # Errors
    ///
    /// [`EditError::Bot`]; [`EditError::PrimaryOwner`] if another account ends them.
    pub fn end_sessions(
        &mut self,
        index: PersonIndex,
        devices: DeviceFilter,
    ) -> Result<(), EditError> {
        self.check_session_owner(index)?;
        let meant = |session: &Session| match devices {
            DeviceFilter::All => true,
            DeviceFilter::Mobile => session.device.is_mobile,
            DeviceFilter::Web => !session.device.is_mobile,
        };
        let sessions = self.sessions_of(index).into_iter().filter(meant);
        for session in sessions {
            self.org.sessions.end(session);
        }
        self.record(OrgChange::SessionsEnded(index));
        Ok(())
    }

    /// Ends one session of an account.
    ///
    /// # Errors
    ///
    /// Those of [`Edit::end_sessions`], and [`EditError::NotMember`] if there is no such session.
    pub fn end_session(&mut self, index: PersonIndex, id: u64) -> Result<(), EditError> {
        self.check_session_owner(index)?;
        let found = self.sessions_of(index).into_iter().find(|session| session.id == id);
        self.org.sessions.end(found.ok_or(EditError::NotMember)?);
        self.record(OrgChange::SessionEnded(index));
        Ok(())
    }

    /// Merges session settings into those of an account; `None` removes all.
    ///
    /// # Errors
    ///
    /// [`EditError::Bot`]; [`EditError::Malformed`] for a duration out of range.
    pub fn set_session_settings(
        &mut self,
        index: PersonIndex,
        settings: Option<SessionSettings>,
    ) -> Result<(), EditError> {
        if self.person(index).ok_or(EditError::NoSuchPerson)?.is_bot() {
            return Err(EditError::Bot);
        }
        let duration = settings.and_then(|settings| settings.duration);
        if duration.is_some_and(|duration| !SESSION_DURATIONS_S.contains(&duration)) {
            return Err(EditError::Malformed);
        }
        let previous = self.sessions.settings(index);
        let now = settings.map(|settings| SessionSettings {
            quit_signs_out: settings.quit_signs_out.or(previous.and_then(|one| one.quit_signs_out)),
            duration: duration.or(previous.and_then(|one| one.duration)),
        });
        match now {
            Some(settings) => self.org.sessions.settings.insert(index, settings),
            None => self.org.sessions.settings.remove(&index),
        };
        if now != previous {
            self.record(OrgChange::SessionSettings(index));
        }
        Ok(())
    }

    /// Ends all sessions of a deactivated account, without recording a change.
    pub(super) fn end_all_sessions(&mut self, index: PersonIndex) {
        for session in self.sessions_of(index) {
            self.org.sessions.end(session);
        }
    }

    fn check_session_owner(&self, index: PersonIndex) -> Result<(), EditError> {
        let person = self.person(index).ok_or(EditError::NoSuchPerson)?;
        if person.is_bot() {
            Err(EditError::Bot)
        } else if person.org_level == OrgLevel::PrimaryOwner && self.actor() != Some(index) {
            Err(EditError::PrimaryOwner)
        } else {
            Ok(())
        }
    }
}
