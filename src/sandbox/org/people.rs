//! The accounts of the organization: people, guests and bots, and their memberships.

use std::borrow::Cow;

use super::{GroupIndex, PersonIndex, ScimAttributes};

/// An account. It has the same id in every workspace of the organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// `U…` or `W…`.
    pub id: String,
    /// A person or a bot.
    pub kind: PersonKind,
    /// Username, unique in the organization, at most 21 characters.
    pub username: String,
    /// Primary e-mail address, unique in the organization. Bots have none.
    pub email: String,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// Name shown in conversations.
    pub display_name: String,
    /// Job data.
    pub job: JobInfo,
    /// Telephone number, empty when unknown.
    pub phone: String,
    /// Time zone, locale and city.
    pub location: Location,
    /// Attributes that only SCIM reads and writes, if any were written.
    pub scim: Option<Box<ScimAttributes>>,
    /// For a guest who is in no workspace yet: Unix seconds when access expires, 0 for never.
    pub pending_guest_expiration: Option<i64>,
    /// Level in the organization.
    pub org_level: OrgLevel,
    /// Workspace memberships, oldest first.
    pub memberships: Vec<WorkspaceMembership>,
    /// Groups that the account is in.
    pub groups: Vec<GroupIndex>,
    /// Whether a second factor is set up.
    pub has_2fa: bool,
    /// Whether the account signs in through the identity provider.
    pub has_sso: bool,
    /// Active, invited or deactivated.
    pub status: PersonStatus,
    /// Unix seconds.
    pub created: i64,
    /// Unix seconds of the last change of the profile.
    pub updated: i64,
    /// Unix seconds, 0 if the account was never used.
    pub last_active: i64,
}

/// Kind of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonKind {
    /// A person.
    Human,
    /// An app's account.
    Bot,
}

/// Job attributes, as an identity provider sends them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobInfo {
    /// For example "Staff Engineer".
    pub title: String,
    /// For example "Engineering".
    pub department: String,
    /// A group of departments.
    pub division: String,
    /// For example "CC-4100".
    pub cost_center: String,
    /// Employee number.
    pub employee_number: String,
    /// "Employee", "Contractor" or "Partner".
    pub user_type: String,
    /// The person's manager.
    pub manager: Option<PersonIndex>,
}

/// Time zone, locale and city.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// IANA name.
    pub timezone: Cow<'static, str>,
    /// Display name of the time zone.
    pub timezone_label: Cow<'static, str>,
    /// Seconds east of UTC in winter.
    pub offset: i32,
    /// For example `en-US`.
    pub locale: Cow<'static, str>,
    /// City.
    pub city: Cow<'static, str>,
    /// ISO country code.
    pub country: Cow<'static, str>,
}

impl Location {
    /// Returns the location of a person without any data.
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

impl Location {
    /// Returns the locale in the form of Slack's clients, such as `en-US`.
    #[must_use]
    pub fn language(&self) -> String {
        if self.locale.is_empty() { "en-US".to_owned() } else { self.locale.replace('_', "-") }
    }
}

/// Level in the organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OrgLevel {
    /// Ordinary member.
    Member,
    /// Org admin.
    Admin,
    /// Org owner.
    Owner,
    /// The only primary owner.
    PrimaryOwner,
}

/// Whether the account can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonStatus {
    /// In use.
    Active,
    /// Invited and never active.
    Invited,
    /// Deactivated in all workspaces.
    Deactivated {
        /// Unix seconds.
        at: i64,
    },
}

/// Membership of an account in one workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkspaceMembership {
    /// Position of the workspace in the organization's list.
    pub workspace: usize,
    /// Level in this workspace.
    pub level: WorkspaceLevel,
    /// Unix seconds when a guest's access expires, 0 for never.
    pub expires: i64,
}

/// Level in one workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorkspaceLevel {
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
    /// The only primary owner of the workspace.
    PrimaryOwner,
}

impl WorkspaceLevel {
    /// Whether this is one of the two guest levels.
    #[must_use]
    pub fn is_guest(self) -> bool {
        self < Self::Member
    }
}

impl Person {
    /// Returns first and last name.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name).trim().to_owned()
    }

    /// Whether this is a bot.
    #[must_use]
    pub fn is_bot(&self) -> bool {
        self.kind == PersonKind::Bot
    }

    /// Whether the account is not deactivated; an invited one counts as active.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !matches!(self.status, PersonStatus::Deactivated { .. })
    }

    /// Returns the Unix seconds of the deactivation, 0 if active.
    #[must_use]
    pub fn deactivated_at(&self) -> i64 {
        match self.status {
            PersonStatus::Deactivated { at } => at,
            PersonStatus::Active | PersonStatus::Invited => 0,
        }
    }

    /// Returns the membership in a workspace.
    #[must_use]
    pub fn membership(&self, workspace: usize) -> Option<&WorkspaceMembership> {
        self.memberships.iter().find(|membership| membership.workspace == workspace)
    }

    /// Returns the guest level of an account that is a guest in all its workspaces.
    #[must_use]
    pub fn guest_level(&self) -> Option<WorkspaceLevel> {
        match self.memberships.iter().map(|membership| membership.level).max() {
            Some(highest) => highest.is_guest().then_some(highest),
            None => self.pending_guest_expiration.map(|_| WorkspaceLevel::MultiChannelGuest),
        }
    }

    /// Returns when the last of a guest's memberships expires, 0 for never.
    #[must_use]
    pub fn expires(&self) -> i64 {
        if self.memberships.iter().any(|membership| membership.expires == 0) {
            return 0;
        }
        let last = self.memberships.iter().map(|membership| membership.expires).max();
        last.or(self.pending_guest_expiration).unwrap_or(0)
    }

    /// Sets expirations that have passed to 0 (never).
    pub(super) fn clear_past_expirations(&mut self, now: i64) {
        let ends = self.memberships.iter_mut().map(|one| &mut one.expires);
        for end in ends.chain(&mut self.pending_guest_expiration).filter(|end| **end <= now) {
            *end = 0;
        }
    }
}
