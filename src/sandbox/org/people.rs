//! The accounts of the organization: people, guests and bots, and where each of them belongs.

use std::borrow::Cow;

use super::{GroupIndex, PersonIndex, Record};

/// One account. Slack knows it by the same id in every workspace of the organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// `U…` or `W…`.
    pub id: String,
    /// A person or a bot.
    pub kind: Kind,
    /// The handle, unique in the organization, at most 21 characters.
    pub username: String,
    /// The primary address, unique in the organization. Bots have none.
    pub email: String,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// The name shown in conversations.
    pub display_name: String,
    /// Job and place in the company.
    pub job: Job,
    /// Telephone number, empty when unknown.
    pub phone: String,
    /// Where and how the person lives: time zone, language, city.
    pub place: Place,
    /// What the identity provider wrote about the person, if it ever did.
    pub record: Option<Box<Record>>,
    /// For a guest who is in no workspace yet: Unix seconds when the stay ends, 0 for no end.
    pub unplaced: Option<i64>,
    /// The rank in the organization as a whole.
    pub org_level: OrgLevel,
    /// The workspaces this account is in, in the order it came to them.
    pub memberships: Vec<Membership>,
    /// The groups this account is in.
    pub groups: Vec<GroupIndex>,
    /// Whether a second factor is set up.
    pub has_2fa: bool,
    /// Whether the account signs in through the identity provider.
    pub has_sso: bool,
    /// Active, invited or deactivated.
    pub standing: Standing,
    /// Unix seconds.
    pub created: i64,
    /// Unix seconds of the last change of the profile.
    pub updated: i64,
    /// Unix seconds, 0 when the account was never used.
    pub last_active: i64,
}

/// What sort of account it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A person.
    Human,
    /// An app's account.
    Bot,
}

/// The attributes that an identity provider sends about a person's work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Job {
    /// For example "Staff Engineer".
    pub title: String,
    /// For example "Engineering".
    pub department: String,
    /// A group of departments.
    pub division: String,
    /// For example "CC-4100".
    pub cost_center: String,
    /// The company's own number for the person.
    pub employee_number: String,
    /// "Employee", "Contractor" or "Partner".
    pub user_type: String,
    /// Who the person reports to.
    pub manager: Option<PersonIndex>,
}

/// Time zone, language and city.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// IANA name.
    pub timezone: Cow<'static, str>,
    /// The name in words.
    pub timezone_label: Cow<'static, str>,
    /// Seconds east of UTC, winter time.
    pub offset: i32,
    /// For example `en-US`.
    pub locale: Cow<'static, str>,
    /// City.
    pub city: Cow<'static, str>,
    /// ISO country code.
    pub country: Cow<'static, str>,
}

impl Place {
    /// The place of somebody of whom nothing is known.
    #[must_use]
    pub const fn unknown() -> Self {
        Self {
            timezone: Cow::Borrowed("Etc/UTC"),
            timezone_label: Cow::Borrowed("Coordinated Universal Time"),
            offset: 0,
            locale: Cow::Borrowed("en-US"),
            city: Cow::Borrowed(""),
            country: Cow::Borrowed(""),
        }
    }
}

impl Place {
    /// The language as Slack's own clients name it, whatever the identity provider sent.
    #[must_use]
    pub fn language(&self) -> String {
        if self.locale.is_empty() { "en-US".to_owned() } else { self.locale.replace('_', "-") }
    }
}

/// Rank in the organization as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OrgLevel {
    /// No rank.
    Member,
    /// Org admin.
    Admin,
    /// Org owner.
    Owner,
    /// The one primary owner.
    PrimaryOwner,
}

/// Whether the account can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// In use.
    Active,
    /// Invited, and never seen since.
    Invited,
    /// Switched off everywhere.
    Deactivated {
        /// Unix seconds.
        at: i64,
    },
}

/// One account in one workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// Position of the workspace in the organization's list.
    pub workspace: usize,
    /// The rank there.
    pub level: Level,
    /// Unix seconds when a guest's stay ends, 0 for no end.
    pub expires: i64,
}

/// Rank in one workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A guest with one channel.
    SingleChannelGuest,
    /// A guest with several channels.
    MultiChannelGuest,
    /// A full member.
    Member,
    /// Workspace admin.
    Admin,
    /// Workspace owner.
    Owner,
    /// The one primary owner of the workspace.
    PrimaryOwner,
}

impl Level {
    /// Whether this is one of the two kinds of guest.
    #[must_use]
    pub fn is_guest(self) -> bool {
        self < Self::Member
    }
}

impl Person {
    /// First and last name.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name).trim().to_owned()
    }

    /// Whether this is an app's account.
    #[must_use]
    pub fn is_bot(&self) -> bool {
        self.kind == Kind::Bot
    }

    /// Whether the account is switched on; an invited one is.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !matches!(self.standing, Standing::Deactivated { .. })
    }

    /// Unix seconds of the deactivation, 0 when active.
    #[must_use]
    pub fn deactivated_at(&self) -> i64 {
        match self.standing {
            Standing::Deactivated { at } => at,
            Standing::Active | Standing::Invited => 0,
        }
    }

    /// The membership in one workspace.
    #[must_use]
    pub fn membership(&self, workspace: usize) -> Option<&Membership> {
        self.memberships.iter().find(|membership| membership.workspace == workspace)
    }

    /// The kind of guest, for an account that is a guest wherever it is.
    #[must_use]
    pub fn guest(&self) -> Option<Level> {
        match self.memberships.iter().map(|membership| membership.level).max() {
            Some(highest) => highest.is_guest().then_some(highest),
            None => self.unplaced.map(|_| Level::MultiChannelGuest),
        }
    }

    /// When the last of a guest's stays ends, 0 for no end.
    #[must_use]
    pub fn expires(&self) -> i64 {
        if self.memberships.iter().any(|membership| membership.expires == 0) {
            return 0;
        }
        let last = self.memberships.iter().map(|membership| membership.expires).max();
        last.or(self.unplaced).unwrap_or(0)
    }

    /// Takes the end from stays that have ended.
    pub(super) fn forget_ended_stays(&mut self, now: i64) {
        let ends = self.memberships.iter_mut().map(|one| &mut one.expires);
        for end in ends.chain(&mut self.unplaced).filter(|end| **end <= now) {
            *end = 0;
        }
    }
}
