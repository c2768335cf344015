//! Where people are signed in. Sessions follow from the account, so that two hundred thousand people
//! need no table; what was ended, and settings of single accounts, are written down.

use std::collections::{BTreeSet, HashMap};

use super::{Kind, Organization, PersonIndex, Standing};

/// The most sessions of one account.
pub const MOST_SESSIONS: usize = 3;

/// A device that somebody is signed in on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Its number, unique in the organization.
    pub id: u64,
    /// Whose it is.
    pub person: PersonIndex,
    /// The device.
    pub device: &'static Device,
    /// Whether Slack's client was renewed since it began.
    pub is_renewed: bool,
}

/// A kind of device.
#[derive(Debug, PartialEq, Eq)]
pub struct Device {
    /// The model, in its maker's words.
    pub hardware: &'static str,
    /// The operating system.
    pub os: &'static str,
    /// Its version.
    pub os_version: &'static str,
    /// Slack's client.
    pub client: &'static str,
    /// The client before that one.
    pub old_client: &'static str,
    /// Whether it is a telephone.
    pub is_mobile: bool,
}

/// Settings of one account's sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionSettings {
    /// Whether closing the client signs out, when that is set.
    pub quit_signs_out: Option<bool>,
    /// Seconds until one has to sign in again, when that is set.
    pub duration: Option<i64>,
}

/// What is written down about sessions.
#[derive(Debug, Clone, Default)]
pub struct SessionBook {
    ended: HashMap<PersonIndex, BTreeSet<u64>>,
    pub(super) settings: HashMap<PersonIndex, SessionSettings>,
}

impl SessionBook {
    /// Ends a session for good.
    pub(super) fn end(&mut self, session: Session) {
        self.ended.entry(session.person).or_default().insert(session.id);
    }

    /// The settings of an account, when it has any of its own.
    #[must_use]
    pub fn settings(&self, index: PersonIndex) -> Option<SessionSettings> {
        self.settings.get(&index).copied()
    }
}

const DEVICES: [Device; MOST_SESSIONS] = [
    Device {
        hardware: "MacBook Pro",
        os: "macOS",
        os_version: "15.5",
        client: "4.44.60",
        old_client: "4.43.51",
        is_mobile: false,
    },
    Device {
        hardware: "iPhone 16",
        os: "iOS",
        os_version: "19.1",
        client: "25.06.20",
        old_client: "25.05.10",
        is_mobile: true,
    },
    Device {
        hardware: "ThinkPad X1",
        os: "Windows",
        os_version: "11",
        client: "4.44.60",
        old_client: "4.42.120",
        is_mobile: false,
    },
];

impl Organization {
    /// The sessions of an account that have not been ended.
    #[must_use]
    pub fn sessions_of(&self, index: PersonIndex) -> Vec<Session> {
        let uses = |person: &&super::Person| {
            person.standing == Standing::Active && person.kind == Kind::Human
        };
        let Some(person) = self.person(index).filter(uses) else { return Vec::new() };
        let ended = self.sessions.ended.get(&index);
        let count = if person.last_active == 0 { 0 } else { 1 + index % MOST_SESSIONS };
        let sessions = DEVICES.iter().enumerate().take(count).map(|(number, device)| Session {
            id: u64::try_from(index * MOST_SESSIONS + number).unwrap_or(0) + 10_000_000_001,
            person: index,
            device,
            is_renewed: (index / MOST_SESSIONS + number).is_multiple_of(2),
        });
        sessions.filter(|one| ended.is_none_or(|ended| !ended.contains(&one.id))).collect()
    }
}
