//! Sessions that are ended, and how long they last.

use super::{Change, Edit, Rule};
use crate::sandbox::org::{OrgLevel, PersonIndex, Session, SessionSettings};

/// Which of an account's sessions are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Devices {
    /// All of them.
    All,
    /// Those on telephones.
    Mobile,
    /// The others.
    Web,
}

/// So many seconds a session can be told to last: from eight hours to ten years.
const DURATIONS: std::ops::RangeInclusive<i64> = 28_800..=315_569_520;

impl Edit<'_> {
    /// Signs an account out on its devices.
    ///
    /// # Errors
    ///
    /// [`Rule::Bot`]; [`Rule::PrimaryOwner`], whom nobody else signs out.
    pub fn end_sessions(&mut self, index: PersonIndex, devices: Devices) -> Result<(), Rule> {
        self.check_sessions(index)?;
        let meant = |session: &Session| match devices {
            Devices::All => true,
            Devices::Mobile => session.device.is_mobile,
            Devices::Web => !session.device.is_mobile,
        };
        let sessions = self.sessions_of(index).into_iter().filter(meant);
        for session in sessions {
            self.org.sessions.end(session);
        }
        self.record(Change::SessionsEnded(index));
        Ok(())
    }

    /// Signs an account out on one device.
    ///
    /// # Errors
    ///
    /// Those of [`Edit::end_sessions`], and [`Rule::NotMember`] when there is no such session.
    pub fn end_session(&mut self, index: PersonIndex, id: u64) -> Result<(), Rule> {
        self.check_sessions(index)?;
        let found = self.sessions_of(index).into_iter().find(|session| session.id == id);
        self.org.sessions.end(found.ok_or(Rule::NotMember)?);
        self.record(Change::SessionEnded(index));
        Ok(())
    }

    /// Gives an account's sessions settings of their own, beside those that they have, or takes all
    /// away.
    ///
    /// # Errors
    ///
    /// [`Rule::Bot`]; [`Rule::Malformed`] for a time that is too short or too long.
    pub fn set_sessions(
        &mut self,
        index: PersonIndex,
        settings: Option<SessionSettings>,
    ) -> Result<(), Rule> {
        if self.person(index).ok_or(Rule::NoSuchPerson)?.is_bot() {
            return Err(Rule::Bot);
        }
        let duration = settings.and_then(|settings| settings.duration);
        if duration.is_some_and(|duration| !DURATIONS.contains(&duration)) {
            return Err(Rule::Malformed);
        }
        let kept = self.sessions.settings(index);
        let now = settings.map(|settings| SessionSettings {
            quit_signs_out: settings.quit_signs_out.or(kept.and_then(|one| one.quit_signs_out)),
            duration: duration.or(kept.and_then(|one| one.duration)),
        });
        match now {
            Some(settings) => self.org.sessions.settings.insert(index, settings),
            None => self.org.sessions.settings.remove(&index),
        };
        if now != kept {
            self.record(Change::SessionSettings(index));
        }
        Ok(())
    }

    /// Signs out an account that is switched off. That goes without saying.
    pub(super) fn close_sessions(&mut self, index: PersonIndex) {
        for session in self.sessions_of(index) {
            self.org.sessions.end(session);
        }
    }

    fn check_sessions(&self, index: PersonIndex) -> Result<(), Rule> {
        let person = self.person(index).ok_or(Rule::NoSuchPerson)?;
        if person.is_bot() {
            Err(Rule::Bot)
        } else if person.org_level == OrgLevel::PrimaryOwner && self.actor() != Some(index) {
            Err(Rule::PrimaryOwner)
        } else {
            Ok(())
        }
    }
}
