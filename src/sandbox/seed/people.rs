//! Generates accounts: names, jobs, dates and memberships.

use std::collections::{HashMap, HashSet};

use super::dates::{FOUNDING_DATE, REFERENCE_DATE, SECONDS_PER_DAY};
use super::distribution::PersonRole;
use super::names::{BOTS, DEPARTMENTS, FIRST_NAMES, GUEST_DOMAINS, LAST_NAMES, LOCATIONS};
use super::rng::SeededRng;
use crate::sandbox::org::{
    GridOrganization, GroupIndex, JobInfo, Location, OrgLevel, Person, PersonIndex, PersonKind,
    PersonStatus, WorkspaceLevel, WorkspaceMembership,
};

/// Location of bots.
const UNKNOWN_LOCATION: Location = Location::unknown();

/// One of this many members is in no workspace;
const UNASSIGNED_INTERVAL: usize = 90;
/// it is the one with this remainder.
const UNASSIGNED_OFFSET: usize = 40;

/// Generator of accounts; holds the state shared between them.
pub(super) struct PersonGenerator<'a> {
    rng: &'a mut SeededRng,
    usernames: HashSet<String>,
    name_counts: HashMap<String, u32>,
    departments: HashMap<&'static str, Vec<PersonIndex>>,
    bots: usize,
    members: usize,
    total: usize,
}

impl<'a> PersonGenerator<'a> {
    /// Returns a generator for `total` accounts.
    pub(super) fn new(dice: &'a mut SeededRng, total: usize) -> Self {
        Self {
            rng: dice,
            usernames: HashSet::new(),
            name_counts: HashMap::new(),
            departments: HashMap::new(),
            bots: 0,
            members: 0,
            total,
        }
    }

    /// Generates one account and adds it to the organization.
    pub(super) fn add(&mut self, org: &mut GridOrganization, number: usize, part: PersonRole) {
        let person = if part == PersonRole::Bot {
            self.bot(org, number)
        } else {
            self.human(org, number, part)
        };
        let department = DEPARTMENTS.iter().find(|one| one.name == person.job.department);
        let leads = department.filter(|_| !part.is_guest() && !part.is_deactivated());
        let index = org.add_person(person);
        if let Some(department) = leads {
            self.departments.entry(department.name).or_default().push(index);
        }
    }

    fn human(&mut self, org: &GridOrganization, number: usize, part: PersonRole) -> Person {
        let (first, first_plain) = self.rng.pick(FIRST_NAMES).copied().unwrap_or_default();
        let (last, last_plain) = self.rng.pick(LAST_NAMES).copied().unwrap_or_default();
        let (username, mailbox) = self.username(first_plain, last_plain);
        let domain = if part.is_guest() {
            self.rng.pick(GUEST_DOMAINS).copied().unwrap_or("guests.example").to_owned()
        } else {
            org.email_domain.clone()
        };
        let created = self.creation_time(number);
        let standing = self.status(part, created);
        let job = self.job(number, part);
        let (last_active, updated) = self.activity_times(created, standing);
        Person {
            id: self.person_id(),
            kind: PersonKind::Human,
            email: format!("{mailbox}@{domain}"),
            username,
            first_name: first.to_owned(),
            last_name: last.to_owned(),
            display_name: if self.rng.chance(70) { first.to_owned() } else { String::new() },
            phone: self.phone(),
            location: self.rng.pick(LOCATIONS).cloned().unwrap_or(UNKNOWN_LOCATION),
            scim: None,
            pending_guest_expiration: None,
            org_level: org_level(part),
            memberships: self.memberships(org, &job, part),
            groups: self.groups(org, &job, part),
            has_2fa: standing != PersonStatus::Invited && self.rng.chance(80),
            has_sso: !part.is_guest() && self.rng.chance(90),
            job,
            status: standing,
            created,
            updated,
            last_active,
        }
    }

    fn bot(&mut self, org: &GridOrganization, number: usize) -> Person {
        let (name, handle) = BOTS.get(self.bots % BOTS.len()).copied().unwrap_or_default();
        let round = self.bots / BOTS.len();
        self.bots += 1;
        let suffix = if round == 0 { String::new() } else { format!("{}", round + 1) };
        let created = self.creation_time(number);
        let workspace = self.rng.below(org.workspaces.len());
        Person {
            id: self.rng.id("U"),
            kind: PersonKind::Bot,
            username: format!("{handle}{suffix}"),
            email: String::new(),
            first_name: name.to_owned(),
            last_name: suffix,
            display_name: name.to_owned(),
            job: JobInfo::default(),
            phone: String::new(),
            location: UNKNOWN_LOCATION,
            scim: None,
            pending_guest_expiration: None,
            org_level: OrgLevel::Member,
            memberships: vec![WorkspaceMembership {
                workspace,
                level: WorkspaceLevel::Member,
                expires: 0,
            }],
            groups: Vec::new(),
            has_2fa: false,
            has_sso: false,
            status: PersonStatus::Active,
            created,
            updated: created,
            last_active: 0,
        }
    }

    fn person_id(&mut self) -> String {
        let prefix = if self.rng.chance(30) { "W" } else { "U" };
        self.rng.id(prefix)
    }

    /// Returns an unused username of at most 21 characters, and the local part of the address.
    fn username(&mut self, first: &str, last: &str) -> (String, String) {
        let name = format!("{first}.{last}");
        let count = self.name_counts.entry(name.clone()).or_default();
        loop {
            *count += 1;
            let suffix = if *count == 1 { String::new() } else { count.to_string() };
            let room = 21_usize.saturating_sub(suffix.len());
            let stem: String = name.chars().take(room).collect();
            let username = format!("{}{suffix}", stem.trim_end_matches('.'));
            if self.usernames.insert(username.clone()) {
                return (username, format!("{name}{suffix}"));
            }
        }
    }

    /// Returns the creation time. People join in list order, until a month before the reference
    /// date.
    fn creation_time(&mut self, number: usize) -> i64 {
        let span = REFERENCE_DATE - 30 * SECONDS_PER_DAY - FOUNDING_DATE;
        let share = i64::try_from(number).unwrap_or(0) * span;
        let step = share / i64::try_from(self.total.max(1)).unwrap_or(1);
        FOUNDING_DATE + step + self.rng.seconds(8 * 3_600)
    }

    fn status(&mut self, part: PersonRole, created: i64) -> PersonStatus {
        match part {
            PersonRole::InvitedMember => PersonStatus::Invited,
            PersonRole::DeactivatedMember | PersonRole::DeactivatedGuest => {
                let at = created
                    + SECONDS_PER_DAY
                    + self.rng.seconds(REFERENCE_DATE - created - SECONDS_PER_DAY);
                PersonStatus::Deactivated { at }
            }
            PersonRole::PrimaryOwner
            | PersonRole::Owner
            | PersonRole::Admin
            | PersonRole::Member
            | PersonRole::MultiChannelGuest
            | PersonRole::SingleChannelGuest
            | PersonRole::Bot => PersonStatus::Active,
        }
    }

    /// Returns when the account was last used and last changed.
    fn activity_times(&mut self, created: i64, standing: PersonStatus) -> (i64, i64) {
        match standing {
            PersonStatus::Invited => (0, created),
            PersonStatus::Deactivated { at } => {
                (at - self.rng.seconds((at - created).min(SECONDS_PER_DAY)), at)
            }
            PersonStatus::Active => {
                let back = self.rng.seconds(14 * SECONDS_PER_DAY);
                let changed = created + self.rng.seconds(REFERENCE_DATE - created);
                (REFERENCE_DATE - back, changed)
            }
        }
    }

    fn job(&mut self, number: usize, part: PersonRole) -> JobInfo {
        let employee_number = format!("{}", 100_001 + number);
        if part.is_guest() {
            let title = self.rng.pick(&["Consultant", "Auditor", "Agency Lead"]);
            return JobInfo {
                title: title.copied().unwrap_or_default().to_owned(),
                user_type: "Partner".to_owned(),
                ..JobInfo::default()
            };
        }
        if part == PersonRole::PrimaryOwner {
            return JobInfo {
                title: "Chief Executive Officer".to_owned(),
                department: "IT".to_owned(),
                division: "Corporate".to_owned(),
                cost_center: "CC-1000".to_owned(),
                employee_number,
                user_type: "Employee".to_owned(),
                manager: None,
            };
        }
        let Some(department) = DEPARTMENTS.get(self.rng.below(DEPARTMENTS.len())) else {
            return JobInfo::default();
        };
        let colleagues = self.departments.get(department.name).map_or(&[][..], Vec::as_slice);
        let rank =
            if colleagues.is_empty() { 0 } else { 1 + self.rng.below(department.titles.len() - 1) };
        // Managers are always earlier accounts, so that the reporting lines have no cycle.
        let manager = if colleagues.is_empty() { Some(0) } else { pick_manager(colleagues) };
        JobInfo {
            title: department.titles.get(rank).copied().unwrap_or_default().to_owned(),
            department: department.name.to_owned(),
            division: department.division.to_owned(),
            cost_center: department.cost_center.to_owned(),
            employee_number,
            user_type: if self.rng.chance(92) { "Employee" } else { "Contractor" }.to_owned(),
            manager,
        }
    }

    fn phone(&mut self) -> String {
        if self.rng.chance(60) {
            format!("+1-555-01{:02}-{:04}", self.rng.below(100), self.rng.below(10_000))
        } else {
            String::new()
        }
    }

    fn memberships(
        &mut self,
        org: &GridOrganization,
        job: &JobInfo,
        part: PersonRole,
    ) -> Vec<WorkspaceMembership> {
        let count = org.workspaces.len();
        let at = |workspace: usize, level: WorkspaceLevel, expires: i64| WorkspaceMembership {
            workspace,
            level,
            expires,
        };
        if count == 0 {
            return Vec::new();
        }
        if part == PersonRole::PrimaryOwner {
            return (0..count).map(|workspace| at(workspace, WorkspaceLevel::Member, 0)).collect();
        }
        let other = self.rng.below(count);
        if part.is_guest() {
            let ends = [
                0,
                REFERENCE_DATE + 400 * SECONDS_PER_DAY,
                REFERENCE_DATE + 2_000 * SECONDS_PER_DAY,
            ];
            let expires = self.rng.pick(&ends).copied().unwrap_or(0);
            let single = part == PersonRole::SingleChannelGuest;
            let level = if single {
                WorkspaceLevel::SingleChannelGuest
            } else {
                WorkspaceLevel::MultiChannelGuest
            };
            return vec![at(other, level, expires)];
        }
        if part == PersonRole::Member {
            self.members += 1;
            if self.members % UNASSIGNED_INTERVAL == UNASSIGNED_OFFSET {
                return Vec::new();
            }
        }
        let home = DEPARTMENTS.iter().position(|one| one.name == job.department);
        let mut workspaces = vec![0, home.unwrap_or(0) % count];
        if self.rng.chance(30) {
            workspaces.push(other);
        }
        workspaces.sort_unstable();
        workspaces.dedup();
        workspaces.into_iter().map(|workspace| at(workspace, WorkspaceLevel::Member, 0)).collect()
    }

    fn groups(
        &mut self,
        org: &GridOrganization,
        job: &JobInfo,
        part: PersonRole,
    ) -> Vec<GroupIndex> {
        if part.is_guest() || part.is_deactivated() {
            return Vec::new();
        }
        let named = |name: &str| {
            org.groups.iter().find(|(_, group)| group.name == name).map(|(index, _)| index)
        };
        let mut groups: Vec<GroupIndex> = named(&job.department).into_iter().collect();
        groups.extend(named("All Employees"));
        if self.rng.chance(5) {
            groups.extend(named("On-call"));
        }
        groups.sort_unstable();
        groups
    }
}

/// Returns one of about a seventh of a department as manager.
fn pick_manager(colleagues: &[PersonIndex]) -> Option<PersonIndex> {
    colleagues.get(colleagues.len() / 7).copied()
}

fn org_level(part: PersonRole) -> OrgLevel {
    match part {
        PersonRole::PrimaryOwner => OrgLevel::PrimaryOwner,
        PersonRole::Owner => OrgLevel::Owner,
        PersonRole::Admin => OrgLevel::Admin,
        PersonRole::Member
        | PersonRole::InvitedMember
        | PersonRole::DeactivatedMember
        | PersonRole::MultiChannelGuest
        | PersonRole::SingleChannelGuest
        | PersonRole::DeactivatedGuest
        | PersonRole::Bot => OrgLevel::Member,
    }
}
