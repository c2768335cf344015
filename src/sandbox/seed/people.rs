//! Makes up the accounts: names, jobs, dates and the workspaces they are in.

use std::collections::{HashMap, HashSet};

use super::cast::Part;
use super::dates::{ANCHOR, DAY, FOUNDED};
use super::dice::Dice;
use super::names::{BOTS, DEPARTMENTS, FIRST, GUEST_DOMAINS, LAST, PLACES};
use crate::sandbox::org::{
    GroupIndex, Job, Kind, Level, Membership, OrgLevel, Organization, Person, PersonIndex, Place,
    Standing,
};

/// A place for those without one.
const NOWHERE: Place = Place::unknown();

/// One of so many members is in no workspace …
const MEMBERS_A_STRAY: usize = 90;
/// … the one with this number among them.
const STRAY: usize = 40;

/// What is remembered from one account to the next.
pub(super) struct Writer<'a> {
    dice: &'a mut Dice,
    handles: HashSet<String>,
    namesakes: HashMap<String, u32>,
    departments: HashMap<&'static str, Vec<PersonIndex>>,
    bots: usize,
    members: usize,
    total: usize,
}

impl<'a> Writer<'a> {
    /// A writer for `total` accounts.
    pub(super) fn new(dice: &'a mut Dice, total: usize) -> Self {
        Self {
            dice,
            handles: HashSet::new(),
            namesakes: HashMap::new(),
            departments: HashMap::new(),
            bots: 0,
            members: 0,
            total,
        }
    }

    /// Makes up one account and adds it to the organization.
    pub(super) fn add(&mut self, org: &mut Organization, number: usize, part: Part) {
        let person =
            if part == Part::Bot { self.bot(org, number) } else { self.human(org, number, part) };
        let department = DEPARTMENTS.iter().find(|one| one.name == person.job.department);
        let leads = department.filter(|_| !part.is_guest() && !part.has_left());
        let index = org.add_person(person);
        if let Some(department) = leads {
            self.departments.entry(department.name).or_default().push(index);
        }
    }

    fn human(&mut self, org: &Organization, number: usize, part: Part) -> Person {
        let (first, first_plain) = self.dice.pick(FIRST).copied().unwrap_or_default();
        let (last, last_plain) = self.dice.pick(LAST).copied().unwrap_or_default();
        let (username, mailbox) = self.handle(first_plain, last_plain);
        let domain = if part.is_guest() {
            self.dice.pick(GUEST_DOMAINS).copied().unwrap_or("guests.example").to_owned()
        } else {
            org.email_domain.clone()
        };
        let created = self.joined_at(number);
        let standing = self.standing(part, created);
        let job = self.job(number, part);
        let (last_active, updated) = self.traces(created, standing);
        Person {
            id: self.person_id(),
            kind: Kind::Human,
            email: format!("{mailbox}@{domain}"),
            username,
            first_name: first.to_owned(),
            last_name: last.to_owned(),
            display_name: if self.dice.chance(70) { first.to_owned() } else { String::new() },
            phone: self.phone(),
            place: self.dice.pick(PLACES).cloned().unwrap_or(NOWHERE),
            record: None,
            unplaced: None,
            org_level: org_level(part),
            memberships: self.memberships(org, &job, part),
            groups: self.groups(org, &job, part),
            has_2fa: standing != Standing::Invited && self.dice.chance(80),
            has_sso: !part.is_guest() && self.dice.chance(90),
            job,
            standing,
            created,
            updated,
            last_active,
        }
    }

    fn bot(&mut self, org: &Organization, number: usize) -> Person {
        let (name, handle) = BOTS.get(self.bots % BOTS.len()).copied().unwrap_or_default();
        let round = self.bots / BOTS.len();
        self.bots += 1;
        let suffix = if round == 0 { String::new() } else { format!("{}", round + 1) };
        let created = self.joined_at(number);
        let workspace = self.dice.below(org.workspaces.len());
        Person {
            id: self.dice.id("U"),
            kind: Kind::Bot,
            username: format!("{handle}{suffix}"),
            email: String::new(),
            first_name: name.to_owned(),
            last_name: suffix,
            display_name: name.to_owned(),
            job: Job::default(),
            phone: String::new(),
            place: NOWHERE,
            record: None,
            unplaced: None,
            org_level: OrgLevel::Member,
            memberships: vec![Membership { workspace, level: Level::Member, expires: 0 }],
            groups: Vec::new(),
            has_2fa: false,
            has_sso: false,
            standing: Standing::Active,
            created,
            updated: created,
            last_active: 0,
        }
    }

    fn person_id(&mut self) -> String {
        let prefix = if self.dice.chance(30) { "W" } else { "U" };
        self.dice.id(prefix)
    }

    /// A free handle of at most 21 characters, and the local part of the address.
    fn handle(&mut self, first: &str, last: &str) -> (String, String) {
        let name = format!("{first}.{last}");
        let count = self.namesakes.entry(name.clone()).or_default();
        loop {
            *count += 1;
            let suffix = if *count == 1 { String::new() } else { count.to_string() };
            let room = 21_usize.saturating_sub(suffix.len());
            let stem: String = name.chars().take(room).collect();
            let username = format!("{}{suffix}", stem.trim_end_matches('.'));
            if self.handles.insert(username.clone()) {
                return (username, format!("{name}{suffix}"));
            }
        }
    }

    /// People join in the order of the list, from the founding to a month before the anchor.
    fn joined_at(&mut self, number: usize) -> i64 {
        let span = ANCHOR - 30 * DAY - FOUNDED;
        let share = i64::try_from(number).unwrap_or(0) * span;
        let step = share / i64::try_from(self.total.max(1)).unwrap_or(1);
        FOUNDED + step + self.dice.seconds(8 * 3_600)
    }

    fn standing(&mut self, part: Part, created: i64) -> Standing {
        match part {
            Part::InvitedMember => Standing::Invited,
            Part::LeftMember | Part::LeftGuest => {
                let at = created + DAY + self.dice.seconds(ANCHOR - created - DAY);
                Standing::Deactivated { at }
            }
            Part::PrimaryOwner
            | Part::Owner
            | Part::Admin
            | Part::Member
            | Part::MultiChannelGuest
            | Part::SingleChannelGuest
            | Part::Bot => Standing::Active,
        }
    }

    /// When the account was last used and last changed.
    fn traces(&mut self, created: i64, standing: Standing) -> (i64, i64) {
        match standing {
            Standing::Invited => (0, created),
            Standing::Deactivated { at } => (at - self.dice.seconds((at - created).min(DAY)), at),
            Standing::Active => {
                let back = self.dice.seconds(14 * DAY);
                let changed = created + self.dice.seconds(ANCHOR - created);
                (ANCHOR - back, changed)
            }
        }
    }

    fn job(&mut self, number: usize, part: Part) -> Job {
        let employee_number = format!("{}", 100_001 + number);
        if part.is_guest() {
            let title = self.dice.pick(&["Consultant", "Auditor", "Agency Lead"]);
            return Job {
                title: title.copied().unwrap_or_default().to_owned(),
                user_type: "Partner".to_owned(),
                ..Job::default()
            };
        }
        if part == Part::PrimaryOwner {
            return Job {
                title: "Chief Executive Officer".to_owned(),
                department: "IT".to_owned(),
                division: "Corporate".to_owned(),
                cost_center: "CC-1000".to_owned(),
                employee_number,
                user_type: "Employee".to_owned(),
                manager: None,
            };
        }
        let Some(department) = DEPARTMENTS.get(self.dice.below(DEPARTMENTS.len())) else {
            return Job::default();
        };
        let colleagues = self.departments.get(department.name).map_or(&[][..], Vec::as_slice);
        let rank = if colleagues.is_empty() {
            0
        } else {
            1 + self.dice.below(department.titles.len() - 1)
        };
        // Everybody reports to somebody who was there before, so that no circle can come about.
        let manager = if colleagues.is_empty() { Some(0) } else { pick_manager(colleagues) };
        Job {
            title: department.titles.get(rank).copied().unwrap_or_default().to_owned(),
            department: department.name.to_owned(),
            division: department.division.to_owned(),
            cost_center: department.cost_center.to_owned(),
            employee_number,
            user_type: if self.dice.chance(92) { "Employee" } else { "Contractor" }.to_owned(),
            manager,
        }
    }

    fn phone(&mut self) -> String {
        if self.dice.chance(60) {
            format!("+1-555-01{:02}-{:04}", self.dice.below(100), self.dice.below(10_000))
        } else {
            String::new()
        }
    }

    fn memberships(&mut self, org: &Organization, job: &Job, part: Part) -> Vec<Membership> {
        let count = org.workspaces.len();
        let at =
            |workspace: usize, level: Level, expires: i64| Membership { workspace, level, expires };
        if count == 0 {
            return Vec::new();
        }
        if part == Part::PrimaryOwner {
            return (0..count).map(|workspace| at(workspace, Level::Member, 0)).collect();
        }
        let other = self.dice.below(count);
        if part.is_guest() {
            let ends = [0, ANCHOR + 400 * DAY, ANCHOR + 2_000 * DAY];
            let expires = self.dice.pick(&ends).copied().unwrap_or(0);
            let single = part == Part::SingleChannelGuest;
            let level = if single { Level::SingleChannelGuest } else { Level::MultiChannelGuest };
            return vec![at(other, level, expires)];
        }
        if part == Part::Member {
            self.members += 1;
            if self.members % MEMBERS_A_STRAY == STRAY {
                return Vec::new();
            }
        }
        let home = DEPARTMENTS.iter().position(|one| one.name == job.department);
        let mut places = vec![0, home.unwrap_or(0) % count];
        if self.dice.chance(30) {
            places.push(other);
        }
        places.sort_unstable();
        places.dedup();
        places.into_iter().map(|workspace| at(workspace, Level::Member, 0)).collect()
    }

    fn groups(&mut self, org: &Organization, job: &Job, part: Part) -> Vec<GroupIndex> {
        if part.is_guest() || part.has_left() {
            return Vec::new();
        }
        let named = |name: &str| {
            org.groups.iter().find(|(_, group)| group.name == name).map(|(index, _)| index)
        };
        let mut groups: Vec<GroupIndex> = named(&job.department).into_iter().collect();
        groups.extend(named("All Employees"));
        if self.dice.chance(5) {
            groups.extend(named("On-call"));
        }
        groups.sort_unstable();
        groups
    }
}

/// About one in seven of a department leads the others.
fn pick_manager(colleagues: &[PersonIndex]) -> Option<PersonIndex> {
    colleagues.get(colleagues.len() / 7).copied()
}

fn org_level(part: Part) -> OrgLevel {
    match part {
        Part::PrimaryOwner => OrgLevel::PrimaryOwner,
        Part::Owner => OrgLevel::Owner,
        Part::Admin => OrgLevel::Admin,
        Part::Member
        | Part::InvitedMember
        | Part::LeftMember
        | Part::MultiChannelGuest
        | Part::SingleChannelGuest
        | Part::LeftGuest
        | Part::Bot => OrgLevel::Member,
    }
}
