//! Login sessions. They are computed from the account, without a table; only ended sessions and
//! settings of single accounts are stored.

use std::collections::{BTreeSet, HashMap};

use super::{GridOrganization, PersonIndex, PersonKind, PersonStatus};

/// Maximum number of sessions of an account.
pub const MAX_SESSIONS: usize = 3;

/// A login session on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Id, unique in the organization.
    pub id: u64,
    /// The account.
    pub person: PersonIndex,
    /// The device.
    pub device: &'static DeviceModel,
    /// Whether Slack's client was updated since the session began.
    pub is_client_updated: bool,
}

/// A device model.
#[derive(Debug, PartialEq, Eq)]
pub struct DeviceModel {
    /// Hardware model.
    pub hardware: &'static str,
    /// The operating system.
    pub os: &'static str,
    /// Version of the operating system.
    pub os_version: &'static str,
    /// Version of Slack's client.
    pub client: &'static str,
    /// Previous version of Slack's client.
    pub old_client: &'static str,
    /// Whether it is a phone.
    pub is_mobile: bool,
}

/// Session settings of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionSettings {
    /// Whether closing the client signs out, if set.
    pub quit_signs_out: Option<bool>,
    /// Seconds until a new sign-in is required, if set.
    pub duration: Option<i64>,
}

/// Ended sessions and session settings.
#[derive(Debug, Clone, Default)]
pub struct SessionTable {
    ended: HashMap<PersonIndex, BTreeSet<u64>>,
    pub(super) settings: HashMap<PersonIndex, SessionSettings>,
}

impl SessionTable {
    /// Marks a session as ended.
    pub(super) fn end(&mut self, session: Session) {
        self.ended.entry(session.person).or_default().insert(session.id);
    }

    /// Returns the settings of an account, if it has any.
    #[must_use]
    pub fn settings(&self, index: PersonIndex) -> Option<SessionSettings> {
        self.settings.get(&index).copied()
    }
}

const DEVICES: [DeviceModel; MAX_SESSIONS] = [
    DeviceModel {
        hardware: "MacBook Pro",
        os: "macOS",
        os_version: "15.5",
        client: "4.44.60",
        old_client: "4.43.51",
        is_mobile: false,
    },
    DeviceModel {
        hardware: "iPhone 16",
        os: "iOS",
        os_version: "19.1",
        client: "25.06.20",
        old_client: "25.05.10",
        is_mobile: true,
    },
    DeviceModel {
        hardware: "ThinkPad X1",
        os: "Windows",
        os_version: "11",
        client: "4.44.60",
        old_client: "4.42.120",
        is_mobile: false,
    },
];

impl GridOrganization {
    /// Returns the active sessions of an account.
    #[must_use]
    pub fn sessions_of(&self, index: PersonIndex) -> Vec<Session> {
        let uses = |person: &&super::Person| {
            person.status == PersonStatus::Active && person.kind == PersonKind::Human
        };
        let Some(person) = self.person(index).filter(uses) else { return Vec::new() };
        let ended = self.sessions.ended.get(&index);
        let count = if person.last_active == 0 { 0 } else { 1 + index % MAX_SESSIONS };
        let sessions = DEVICES.iter().enumerate().take(count).map(|(number, device)| Session {
            id: u64::try_from(index * MAX_SESSIONS + number).unwrap_or(0) + 10_000_000_001,
            person: index,
            device,
            is_client_updated: (index / MAX_SESSIONS + number).is_multiple_of(2),
        });
        sessions.filter(|one| ended.is_none_or(|ended| !ended.contains(&one.id))).collect()
    }
}
