//! The plan of a filter of users: which calls find every matching user once, at the lowest cost.

use crate::connectors::slack_enterprise::roles::{self, AdminLevel};
use crate::domain::filter::UserFilter;
use crate::domain::user::{UserStatus, UserType};

/// How the rows are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UserPlan<'f> {
    /// No user can match.
    Empty,
    /// By SCIM: an address or a username is unique.
    Lookup(Lookup<'f>),
    /// By scans of `admin.users.list`.
    OrgScan(OrgScanPlan<'f>),
    /// By scanning each workspace in turn.
    WorkspaceScan(WorkspaceScanPlan<'f>),
}

/// The unique attribute to look up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lookup<'f> {
    Email(&'f str),
    Username(&'f str),
}

/// Scans of `admin.users.list`, which lists active and deactivated users separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OrgScanPlan<'f> {
    /// Only this workspace.
    pub(super) team: Option<&'f str>,
    /// Which scans.
    pub(super) activity: ActivityFilter,
    /// Only guests.
    pub(super) only_guests: bool,
    /// The filter matches at most one user, so that pages have the maximum size.
    pub(super) single_user: bool,
}

/// Which of the two scans are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ActivityFilter {
    Active,
    Inactive,
    Both,
}

/// What is read in each workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WorkspaceScanPlan<'f> {
    /// Only this workspace.
    pub(super) team: Option<&'f str>,
    /// The method whose rows have the filtered fields.
    pub(super) source: MemberSource,
    /// The level in a workspace to filter by.
    pub(super) level: Option<AdminLevel>,
    /// Which users without a workspace are read as well.
    pub(super) activity: ActivityFilter,
}

/// The source of a workspace's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MemberSource {
    /// `admin.users.list`.
    AdminList,
    /// `users.list`, which alone has invitations and the time of the last change.
    Profiles,
}

impl<'f> UserPlan<'f> {
    /// Returns the plan of a filter. It depends on nothing else, so that all pages of a list have the same plan.
    pub(super) fn of(filter: &'f UserFilter) -> Self {
        let scan = Self::scan(filter);
        let is_of_workspace = filter.role_id.as_deref().is_some_and(|role| {
            // A user read in full has no levels in workspaces.
            AdminLevel::of_workspace_role(role).is_some()
        });
        if scan == Self::Empty || is_of_workspace || filter.user_type == Some(UserType::Bot) {
            return scan;
        }
        match (&filter.email, &filter.username) {
            (Some(email), _) => Self::Lookup(Lookup::Email(email)),
            (None, Some(name)) => Self::Lookup(Lookup::Username(name)),
            (None, None) => scan,
        }
    }

    /// Whether its rows have system roles with their places.
    pub(super) fn has_role_scopes(self) -> bool {
        match self {
            Self::WorkspaceScan(visit) => visit.source == MemberSource::Profiles,
            Self::Lookup(_) => true,
            Self::Empty | Self::OrgScan(_) => false,
        }
    }

    /// Returns the plan without SCIM.
    pub(super) fn scan(filter: &'f UserFilter) -> Self {
        let Some(standing) = activity(filter) else { return Self::Empty };
        let team = filter.workspace_id.as_deref();
        let role = filter.role_id.as_deref();
        if role.is_some_and(|role| !roles::can_be_held(role)) {
            return Self::Empty;
        }
        let level = role.and_then(AdminLevel::of_workspace_role);
        let needs_profile =
            filter.updated_after.is_some() || filter.status == Some(UserStatus::Invited);
        if needs_profile {
            return Self::WorkspaceScan(WorkspaceScanPlan {
                team,
                source: MemberSource::Profiles,
                level,
                activity: standing,
            });
        }
        if level.is_some() && team.is_none() {
            return Self::WorkspaceScan(WorkspaceScanPlan {
                team,
                source: MemberSource::AdminList,
                level,
                activity: standing,
            });
        }
        Self::OrgScan(OrgScanPlan::of(filter, standing))
    }
}

impl<'f> OrgScanPlan<'f> {
    /// Returns the scans that find every matching user.
    fn of(filter: &'f UserFilter, standing: ActivityFilter) -> Self {
        let role = filter.role_id.as_deref();
        // The rows of a workspace do not have the level in the organization.
        let hides_level = role.is_some_and(|role| role.starts_with("org:"));
        let guests = [UserType::GuestMultiChannel, UserType::GuestSingleChannel];
        let wants_guests = filter.user_type.is_some_and(|kind| guests.contains(&kind));
        let has_guest_role = role.is_some_and(|role| role.starts_with("ws:guest_"));
        Self {
            team: filter.workspace_id.as_deref().filter(|_| !hides_level),
            activity: standing,
            only_guests: wants_guests || has_guest_role,
            single_user: filter.email.is_some() || filter.username.is_some(),
        }
    }
}

/// Returns the scans that a filter needs; `None` when no user can match.
fn activity(filter: &UserFilter) -> Option<ActivityFilter> {
    let of_status = match filter.status {
        None => ActivityFilter::Both,
        Some(UserStatus::Active | UserStatus::Invited) => ActivityFilter::Active,
        Some(UserStatus::Inactive) => ActivityFilter::Inactive,
        // Slack never deletes users.
        Some(UserStatus::Deleted) => return None,
    };
    match (filter.role_id.is_some(), of_status) {
        (false, standing) => Some(standing),
        // Deactivated users hold no roles.
        (true, ActivityFilter::Inactive) => None,
        (true, ActivityFilter::Active | ActivityFilter::Both) => Some(ActivityFilter::Active),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(change: impl FnOnce(&mut UserFilter)) -> String {
        let mut filter = UserFilter::default();
        change(&mut filter);
        format!("{:?}", UserPlan::of(&filter))
    }

    #[test]
    fn selects_the_cheapest_plan_for_each_filter() {
        let rows = [
            (
                plan(|_| {}),
                "OrgScan(OrgScanPlan { team: None, activity: Both, only_guests: false, single_user: false })",
            ),
            (
                plan(|filter| filter.user_type = Some(UserType::GuestMultiChannel)),
                "OrgScan(OrgScanPlan { team: None, activity: Both, only_guests: true, single_user: false })",
            ),
            (
                plan(|filter| {
                    filter.workspace_id = Some("T1".to_owned());
                    filter.role_id = Some("ws:admin".to_owned());
                }),
                "OrgScan(OrgScanPlan { team: Some(\"T1\"), activity: Active, only_guests: false, single_user: false })",
            ),
            (
                plan(|filter| {
                    filter.workspace_id = Some("T1".to_owned());
                    filter.role_id = Some("org:admin".to_owned());
                }),
                "OrgScan(OrgScanPlan { team: None, activity: Active, only_guests: false, single_user: false })",
            ),
            (
                plan(|filter| filter.role_id = Some("ws:admin".to_owned())),
                "WorkspaceScan(WorkspaceScanPlan { team: None, source: AdminList, level: Some(Admin), activity: Active })",
            ),
            (
                plan(|filter| filter.status = Some(UserStatus::Invited)),
                "WorkspaceScan(WorkspaceScanPlan { team: None, source: Profiles, level: None, activity: Active })",
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
                "OrgScan(OrgScanPlan { team: None, activity: Both, only_guests: false, single_user: true })",
            ),
            (plan(|filter| filter.status = Some(UserStatus::Deleted)), "Empty"),
            (plan(|filter| filter.role_id = Some("ws:king".to_owned())), "Empty"),
            (
                plan(|filter| {
                    filter.role_id = Some("org:member".to_owned());
                    filter.status = Some(UserStatus::Inactive);
                }),
                "Empty",
            ),
        ];
        for (planned, expected) in rows {
            assert_eq!(planned, expected);
        }
    }
}
