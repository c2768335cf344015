//! One generated change: which account it affects, and how.
//!
//! Owners of the organization and of workspaces, users with tokens, bots and invited people are
//! never affected.

use std::collections::BTreeSet;

use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

use super::controller::ChurnKind;
use crate::sandbox::org::{
    AssignableLevel, Edit, GridOrganization, GroupIndex, GroupOwner, LevelScope, MembershipInput,
    OrgLevel, Person, PersonIndex, PersonStatus, PersonUpdate, ProfileText, WorkspaceLevel,
};

/// Number of random changes to try until one has an effect.
const MAX_ATTEMPTS: usize = 32;
/// Number of random accounts to examine until one is suitable.
const MAX_PROBES: usize = 200;
/// Owners are picked among this many of the oldest accounts, because a search of all is slow.
const OWNER_CANDIDATES: usize = 200;

/// Generated titles.
const TITLES: &[&str] = &[
    "Account Manager",
    "Business Analyst",
    "Controller",
    "Data Engineer",
    "Designer",
    "Head of Operations",
    "People Partner",
    "Program Manager",
    "Senior Engineer",
    "Staff Engineer",
    "Support Specialist",
    "Team Lead",
];
/// Generated family names.
const LAST_NAMES: &[&str] =
    &["Almeida", "Bauer", "Chen", "Dubois", "Eriksen", "Ghosh", "Kim", "Okafor", "Rossi", "Silva"];
/// Generated display names.
const DISPLAY_NAMES: &[&str] =
    &["Alex", "Charlie", "Jules", "Kim", "Luca", "Max", "Noa", "Robin", "Sam", "Toni"];

/// Returns a random active owner of the organization.
pub(super) fn pick_owner(
    org: &GridOrganization,
    rng: &mut Xoshiro256PlusPlus,
) -> Option<PersonIndex> {
    let oldest = org.people().iter().take(OWNER_CANDIDATES).enumerate();
    let owners = oldest.filter(|(_, person)| {
        person.org_level >= OrgLevel::Owner && person.status == PersonStatus::Active
    });
    let owners: Vec<PersonIndex> = owners.map(|(index, _)| index).collect();
    pick(&owners, rng)
}

/// Makes one random change of this kind. Returns whether a suitable one was found. `holders` are
/// the ids of the users with tokens.
pub(super) fn make(
    edit: &mut Edit<'_>,
    kind: ChurnKind,
    holders: &BTreeSet<String>,
    rng: &mut Xoshiro256PlusPlus,
) -> bool {
    for _ in 0..MAX_ATTEMPTS {
        // A change that is rejected or has no effect is followed by another attempt.
        let _ = match kind {
            ChurnKind::Profile => change_profile(edit, holders, rng),
            ChurnKind::Activation => change_activation(edit, holders, rng),
            ChurnKind::Membership => change_membership(edit, holders, rng),
            ChurnKind::Level => change_level(edit, holders, rng),
            ChurnKind::Group => change_group(edit, holders, rng),
        };
        if edit.has_changes() {
            return true;
        }
    }
    false
}

/// Changes the title as through SCIM, or a name as through the Web API.
fn change_profile(
    edit: &mut Edit<'_>,
    holders: &BTreeSet<String>,
    rng: &mut Xoshiro256PlusPlus,
) -> Option<()> {
    let index = pick_person(edit, rng, |person| may_change(person, holders))?;
    let person = edit.person(index)?;
    let (field, held, texts) = match rng.random_range(0..4_u8) {
        0 => (ProfileText::LastName, &person.last_name, LAST_NAMES),
        1 => (ProfileText::DisplayName, &person.display_name, DISPLAY_NAMES),
        _ => {
            let mut update = PersonUpdate::of(edit, person);
            pick(TITLES, rng)?.clone_into(&mut update.profile.job.title);
            return edit.update_person(index, &update).ok();
        }
    };
    let text = pick(texts, rng).filter(|text| held != text)?;
    edit.set_profile_text(index, field, text).ok()
}

/// Reactivates an account or deactivates one.
fn change_activation(
    edit: &mut Edit<'_>,
    holders: &BTreeSet<String>,
    rng: &mut Xoshiro256PlusPlus,
) -> Option<()> {
    if rng.random::<bool>()
        && let Some(index) = pick_person(edit, rng, |one| !one.is_active() && !one.is_bot())
    {
        return edit.reactivate(index).ok();
    }
    let index = pick_person(edit, rng, |person| may_change(person, holders))?;
    edit.deactivate(index).ok()
}

/// Adds an account to a workspace or removes it from one.
fn change_membership(
    edit: &mut Edit<'_>,
    holders: &BTreeSet<String>,
    rng: &mut Xoshiro256PlusPlus,
) -> Option<()> {
    let index = pick_person(edit, rng, |person| is_member(person, holders))?;
    let held = workspaces_of(edit.person(index)?);
    if held.len() > 1 && rng.random::<bool>() {
        return edit.remove(index, pick(&held, rng)?).ok();
    }
    let all: Vec<usize> = (0..edit.workspaces.len()).collect();
    let entry = MembershipInput { level: WorkspaceLevel::Member, channels: Vec::new(), expires: 0 };
    edit.assign(index, pick(&all, rng)?, &entry).ok()
}

/// Assigns a level in a workspace, or in one of four cases in the organization.
fn change_level(
    edit: &mut Edit<'_>,
    holders: &BTreeSet<String>,
    rng: &mut Xoshiro256PlusPlus,
) -> Option<()> {
    use AssignableLevel::{Admin, Owner, Regular};
    let index = pick_person(edit, rng, |person| is_member(person, holders))?;
    let held = workspaces_of(edit.person(index)?);
    if rng.random_range(0..4_u8) == 0 {
        // Rarely an admin, and never an owner, so that most accounts stay ordinary members.
        let level = pick(&[Regular, Regular, Regular, Regular, Admin], rng)?;
        return edit.assign_level(index, LevelScope::Organization, level).ok();
    }
    let level = pick(&[Regular, Regular, Admin, Owner], rng)?;
    edit.assign_level(index, LevelScope::Workspace(pick(&held, rng)?), level).ok()
}

/// Adds an account to a group or removes it from one.
fn change_group(
    edit: &mut Edit<'_>,
    holders: &BTreeSet<String>,
    rng: &mut Xoshiro256PlusPlus,
) -> Option<()> {
    let all: Vec<GroupIndex> = edit.groups.iter().map(|(index, _)| index).collect();
    let index = pick(&all, rng)?;
    let member = pick_person(edit, rng, |person| is_member(person, holders))?;
    let group = edit.groups.get(index)?;
    let (name, owner, mut members) = (group.name.clone(), group.owner, group.members.clone());
    if !members.remove(&member) {
        members.insert(member);
    }
    match owner {
        GroupOwner::IdentityProvider => edit.update_group(index, &name, &members).ok(),
        GroupOwner::Workspace(_) => edit.set_usergroup_members(index, &members).ok(),
    }
}

/// Whether generated changes may affect an account.
fn may_change(person: &Person, holders: &BTreeSet<String>) -> bool {
    let leads = person.memberships.iter().any(|one| one.level == WorkspaceLevel::PrimaryOwner);
    person.status == PersonStatus::Active
        && person.org_level < OrgLevel::Owner
        && !person.is_bot()
        && !leads
        && !holders.contains(&person.id)
}

/// Whether generated changes may affect an account as a full member.
fn is_member(person: &Person, holders: &BTreeSet<String>) -> bool {
    may_change(person, holders) && person.guest_level().is_none()
}

fn workspaces_of(person: &Person) -> Vec<usize> {
    person.memberships.iter().map(|one| one.workspace).collect()
}

/// Returns a random element, or `None` for an empty list.
fn pick<T: Copy>(list: &[T], rng: &mut Xoshiro256PlusPlus) -> Option<T> {
    if list.is_empty() { None } else { list.get(rng.random_range(0..list.len())).copied() }
}

/// Returns a random account that fits, or `None` if none of those examined does.
fn pick_person(
    org: &GridOrganization,
    rng: &mut Xoshiro256PlusPlus,
    fits: impl Fn(&Person) -> bool,
) -> Option<PersonIndex> {
    let people = org.people();
    if people.is_empty() {
        return None;
    }
    let mut probes = (0..MAX_PROBES).map(|_| rng.random_range(0..people.len()));
    probes.find(|index| people.get(*index).is_some_and(&fits))
}
