//! How a filter of users is answered: which calls find everybody it admits, each once, for the least.

use crate::connectors::slack_enterprise::roles::{self, Level};
use crate::domain::filter::UserFilter;
use crate::domain::user::{UserStatus, UserType};

/// The way to the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan<'f> {
    /// Nobody can be like that.
    Nobody,
    /// SCIM knows who it is; an address or a short name belongs to one person.
    Lookup(Lookup<'f>),
    /// Passes of `admin.users.list`.
    Passes(Passes<'f>),
    /// One workspace after the other.
    Walk(Visit<'f>),
}

/// The unique attribute that somebody is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lookup<'f> {
    Email(&'f str),
    Username(&'f str),
}

/// Passes of `admin.users.list`, which lists active and deactivated accounts apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Passes<'f> {
    /// Only this workspace.
    pub(super) team: Option<&'f str>,
    /// Whose passes.
    pub(super) standing: Standing,
    /// Only guests.
    pub(super) only_guests: bool,
    /// The filter names one person at the most, so that a page may be as long as it can.
    pub(super) seeks_one: bool,
}

/// Which of the two passes are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Active,
    Inactive,
    Both,
}

/// What is read in each workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Visit<'f> {
    /// Only this workspace.
    pub(super) team: Option<&'f str>,
    /// The method whose rows have what the filter is about.
    pub(super) source: Source,
    /// The level in a workspace that is asked for.
    pub(super) level: Option<Level>,
    /// Which accounts outside of all workspaces are looked at as well.
    pub(super) standing: Standing,
}

/// Where the rows of a workspace come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// `admin.users.list`.
    Rows,
    /// `users.list`, which alone tells invitations and the time of the last change.
    Profiles,
}

impl<'f> Plan<'f> {
    /// The plan for a filter. It depends on nothing else, so that every page of a list has the same.
    pub(super) fn of(filter: &'f UserFilter) -> Self {
        let scan = Self::scan(filter);
        let is_of_workspace = filter.role_id.as_deref().is_some_and(|role| {
            // The full record of somebody has no level in a workspace.
            Level::of_workspace_role(role).is_some()
        });
        if scan == Self::Nobody || is_of_workspace || filter.user_type == Some(UserType::Bot) {
            return scan;
        }
        match (&filter.email, &filter.username) {
            (Some(email), _) => Self::Lookup(Lookup::Email(email)),
            (None, Some(name)) => Self::Lookup(Lookup::Username(name)),
            (None, None) => scan,
        }
    }

    /// Whether its rows have their system roles with the places.
    pub(super) fn places_roles(self) -> bool {
        match self {
            Self::Walk(visit) => visit.source == Source::Profiles,
            Self::Lookup(_) => true,
            Self::Nobody | Self::Passes(_) => false,
        }
    }

    /// The plan that needs no SCIM.
    pub(super) fn scan(filter: &'f UserFilter) -> Self {
        let Some(standing) = standing(filter) else { return Self::Nobody };
        let team = filter.workspace_id.as_deref();
        let role = filter.role_id.as_deref();
        if role.is_some_and(|role| !roles::can_be_held(role)) {
            return Self::Nobody;
        }
        let level = role.and_then(Level::of_workspace_role);
        let needs_profile =
            filter.updated_after.is_some() || filter.status == Some(UserStatus::Invited);
        if needs_profile {
            return Self::Walk(Visit { team, source: Source::Profiles, level, standing });
        }
        if level.is_some() && team.is_none() {
            return Self::Walk(Visit { team, source: Source::Rows, level, standing });
        }
        Self::Passes(Passes::of(filter, standing))
    }
}

impl<'f> Passes<'f> {
    /// The passes that find everybody whom a filter admits.
    fn of(filter: &'f UserFilter, standing: Standing) -> Self {
        let role = filter.role_id.as_deref();
        // In the rows of a workspace the level in the organization can't be seen.
        let hides_level = role.is_some_and(|role| role.starts_with("org:"));
        let guests = [UserType::GuestMultiChannel, UserType::GuestSingleChannel];
        let wants_guests = filter.user_type.is_some_and(|kind| guests.contains(&kind));
        let has_guest_role = role.is_some_and(|role| role.starts_with("ws:guest_"));
        Self {
            team: filter.workspace_id.as_deref().filter(|_| !hides_level),
            standing,
            only_guests: wants_guests || has_guest_role,
            seeks_one: filter.email.is_some() || filter.username.is_some(),
        }
    }
}

/// The passes that a filter needs; none when nobody can be like that.
fn standing(filter: &UserFilter) -> Option<Standing> {
    let of_status = match filter.status {
        None => Standing::Both,
        Some(UserStatus::Active | UserStatus::Invited) => Standing::Active,
        Some(UserStatus::Inactive) => Standing::Inactive,
        // Slack keeps everybody.
        Some(UserStatus::Deleted) => return None,
    };
    match (filter.role_id.is_some(), of_status) {
        (false, standing) => Some(standing),
        // Whoever is deactivated holds no role.
        (true, Standing::Inactive) => None,
        (true, Standing::Active | Standing::Both) => Some(Standing::Active),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(change: impl FnOnce(&mut UserFilter)) -> String {
        let mut filter = UserFilter::default();
        change(&mut filter);
        format!("{:?}", Plan::of(&filter))
    }

    #[test]
    fn each_filter_takes_the_shortest_way() {
        let rows = [
            (
                plan(|_| {}),
                "Passes(Passes { team: None, standing: Both, only_guests: false, seeks_one: false })",
            ),
            (
                plan(|filter| filter.user_type = Some(UserType::GuestMultiChannel)),
                "Passes(Passes { team: None, standing: Both, only_guests: true, seeks_one: false })",
            ),
            (
                plan(|filter| {
                    filter.workspace_id = Some("T1".to_owned());
                    filter.role_id = Some("ws:admin".to_owned());
                }),
                "Passes(Passes { team: Some(\"T1\"), standing: Active, only_guests: false, seeks_one: false })",
            ),
            (
                plan(|filter| {
                    filter.workspace_id = Some("T1".to_owned());
                    filter.role_id = Some("org:admin".to_owned());
                }),
                "Passes(Passes { team: None, standing: Active, only_guests: false, seeks_one: false })",
            ),
            (
                plan(|filter| filter.role_id = Some("ws:admin".to_owned())),
                "Walk(Visit { team: None, source: Rows, level: Some(Admin), standing: Active })",
            ),
            (
                plan(|filter| filter.status = Some(UserStatus::Invited)),
                "Walk(Visit { team: None, source: Profiles, level: None, standing: Active })",
            ),
            (
                plan(|filter| {
                    filter.status = Some(UserStatus::Invited);
                    filter.email = Some("a@b.c".to_owned());
                }),
                "Lookup(Email(\"a@b.c\"))",
            ),
            (
                plan(|filter| {
                    filter.username = Some("build".to_owned());
                    filter.user_type = Some(UserType::Bot);
                }),
                "Passes(Passes { team: None, standing: Both, only_guests: false, seeks_one: true })",
            ),
            (plan(|filter| filter.status = Some(UserStatus::Deleted)), "Nobody"),
            (plan(|filter| filter.role_id = Some("ws:king".to_owned())), "Nobody"),
            (
                plan(|filter| {
                    filter.role_id = Some("org:member".to_owned());
                    filter.status = Some(UserStatus::Inactive);
                }),
                "Nobody",
            ),
        ];
        for (planned, expected) in rows {
            assert_eq!(planned, expected);
        }
    }
}
