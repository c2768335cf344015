//! Generates an organization; the same seed gives the same one.
//!
//! All dates are relative to [`REFERENCE_DATE`] instead of the clock, so that a later start with
//! the same seed gives the same people.

mod dates;
mod distribution;
mod names;
mod people;
mod rng;
#[cfg(test)]
mod tests;

pub(crate) use dates::{FOUNDING_DATE, REFERENCE_DATE, SECONDS_PER_DAY};
use distribution::distribute_roles;
use names::{CHANNELS, DEPARTMENTS, WORKSPACES};
use people::PersonGenerator;
use rng::SeededRng;

use super::org::{
    Channel, Discoverability, ExternalPerson, GridOrganization, GridWorkspace, GroupOwner,
    OrgGroup, OrgLevel, PersonIndex, SystemRoleAssignment, WorkspaceLevel,
};

/// System roles: id, and whether they can be assigned for one workspace.
const SYSTEM_ROLES: &[(&str, bool)] = &[
    ("Rl01", true),
    ("Rl02", true),
    ("Rl03", true),
    ("Rl04", false),
    ("Rl05", true),
    ("Rl09", false),
    ("Rl0A", true),
    ("Rl0B", true),
    ("Rl0C", true),
    ("Rl0D", false),
    ("Rl0E", false),
    ("Rl0F", false),
    ("Rl0G", false),
    ("Rl0J", false),
    ("Rl0K", false),
    ("Rl0L", true),
];

/// Generates an organization with this number of accounts and workspaces.
pub(crate) fn organization(seed: u64, users: usize, workspaces: usize) -> GridOrganization {
    let mut rng = SeededRng::new(seed);
    let mut org =
        GridOrganization::empty(rng.id("E"), "Lumen Works", "lumenworks", "lumenworks.example");
    for number in 0..workspaces.max(1) {
        let workspace = workspace(&mut rng, number);
        org.workspaces.push(workspace);
    }
    let groups = DEPARTMENTS.iter().map(|department| department.name);
    for name in groups.chain(["All Employees", "On-call"]) {
        let created = FOUNDING_DATE + rng.seconds(30 * SECONDS_PER_DAY);
        let id = rng.id("S");
        org.add_group(OrgGroup::new(id, name, GroupOwner::IdentityProvider, 0, created));
    }
    let parts = distribute_roles(users, &mut rng);
    let mut generator = PersonGenerator::new(&mut rng, parts.len());
    for (number, part) in parts.into_iter().enumerate() {
        generator.add(&mut org, number, part);
    }
    for number in 0..org.workspaces.len() {
        assign_workspace_levels(&mut org, &mut rng, number);
    }
    assign_system_roles(&mut org, &mut rng);
    // Last, so that the data above does not depend on it.
    for workspace in &mut org.workspaces {
        workspace.channels.extend(topic_channels(&mut rng));
    }
    org.external_people = external_people(&mut rng);
    org
}

/// Returns a person of another Grid organization, one of a company without such, and one who is in no visible channel.
fn external_people(rng: &mut SeededRng) -> Vec<ExternalPerson> {
    let kinds = [(true, false), (false, false), (false, true)];
    let people =
        kinds.into_iter().enumerate().map(|(number, (is_on_grid, is_stranger))| ExternalPerson {
            id: rng.id("U"),
            team_id: rng.id("T"),
            enterprise_id: is_on_grid.then(|| rng.id("E")),
            is_stranger,
            username: format!("external{number}"),
            full_name: format!("External Person {number}"),
        });
    people.collect()
}

fn workspace(rng: &mut SeededRng, number: usize) -> GridWorkspace {
    let (name, domain, description) = WORKSPACES.get(number).map_or_else(
        || {
            let floor = number + 1;
            (format!("Workspace {floor}"), format!("w{floor}"), "One more team".to_owned())
        },
        |(name, domain, about)| ((*name).to_owned(), (*domain).to_owned(), (*about).to_owned()),
    );
    let discoverability = match number % 5 {
        1 => Discoverability::InviteOnly,
        2 => Discoverability::Closed,
        3 => Discoverability::Unlisted,
        _ => Discoverability::Open,
    };
    let channels = ["general", "random"];
    let channels = channels.map(|name| Channel::new_default(rng.id("C"), name, FOUNDING_DATE));
    GridWorkspace {
        id: rng.id("T"),
        name,
        domain: format!("lumenworks-{domain}"),
        description,
        discoverability,
        icon: None,
        primary_owner: 0,
        members: std::collections::BTreeSet::new(),
        channels: channels.to_vec(),
        created: FOUNDING_DATE + i64::try_from(number).unwrap_or(0) * SECONDS_PER_DAY,
    }
}

/// Returns the channels of a workspace besides those of all members.
fn topic_channels(rng: &mut SeededRng) -> Vec<Channel> {
    let open = CHANNELS.iter().map(|(name, purpose)| {
        Channel::new_public(rng.id("C"), name, purpose, FOUNDING_DATE + 100 * SECONDS_PER_DAY)
    });
    let mut channels: Vec<Channel> = open.collect();
    if let Some(leads) = channels.iter_mut().find(|channel| channel.name == "leads") {
        leads.is_private = true;
    }
    if let Some(old) = channels.iter_mut().find(|channel| channel.name == "summer-party-2023") {
        old.is_archived = true;
    }
    channels
}

/// Assigns the primary owner, owners and admins of a workspace from its members.
fn assign_workspace_levels(org: &mut GridOrganization, rng: &mut SeededRng, number: usize) {
    let Some(workspace) = org.workspaces.get(number) else {
        return;
    };
    let is_candidate = |index: &PersonIndex| {
        let of = |person: &super::org::Person| {
            let member =
                person.membership(number).is_some_and(|one| one.level == WorkspaceLevel::Member);
            member && person.is_active() && !person.is_bot()
        };
        org.person(*index).is_some_and(of)
    };
    let mut candidates: Vec<PersonIndex> =
        workspace.members.iter().copied().filter(is_candidate).collect();
    let leaders: Vec<PersonIndex> = candidates
        .iter()
        .copied()
        .filter(|index| org.person(*index).is_some_and(|one| one.org_level >= OrgLevel::Owner))
        .collect();
    let Some(first) = leaders.get(number % leaders.len().max(1)).copied() else {
        return;
    };
    candidates.retain(|index| *index != first);
    rng.shuffle(&mut candidates);
    let owners = (candidates.len() / 40).clamp(1, 3);
    let admins = (candidates.len() / 20).clamp(1, 6);
    let ranks = std::iter::repeat_n(WorkspaceLevel::Owner, owners)
        .chain(std::iter::repeat_n(WorkspaceLevel::Admin, admins));
    let ranked: Vec<(PersonIndex, WorkspaceLevel)> = candidates.into_iter().zip(ranks).collect();
    for (index, level) in ranked.into_iter().chain([(first, WorkspaceLevel::PrimaryOwner)]) {
        org.set_workspace_level(index, number, level);
    }
    if let Some(workspace) = org.workspaces.get_mut(number) {
        workspace.primary_owner = first;
    }
}

fn assign_system_roles(org: &mut GridOrganization, rng: &mut SeededRng) {
    let full: Vec<PersonIndex> = org
        .people()
        .iter()
        .enumerate()
        .filter(|(_, person)| {
            person.is_active() && !person.is_bot() && person.guest_level().is_none()
        })
        .map(|(index, _)| index)
        .collect();
    let count = (full.len() / 12).clamp(2, 400);
    let mut created = FOUNDING_DATE + 200 * SECONDS_PER_DAY;
    for _ in 0..count {
        let Some(user) = rng.pick(&full).copied() else {
            return;
        };
        let Some((role, in_workspace)) = rng.pick(SYSTEM_ROLES).copied() else {
            return;
        };
        created += 1 + rng.seconds((REFERENCE_DATE - FOUNDING_DATE - 200 * SECONDS_PER_DAY) / 400);
        let workspace = org.workspaces.get(rng.below(org.workspaces.len()));
        let entity_id = match workspace {
            Some(workspace) if role == "Rl0A" && rng.chance(40) => {
                workspace.channels.first().map_or_else(String::new, |one| one.id.clone())
            }
            Some(workspace) if in_workspace && rng.chance(60) => workspace.id.clone(),
            Some(_) | None => org.id.clone(),
        };
        let role_id = role.to_owned();
        org.roles.add(SystemRoleAssignment { role_id, entity_id, user, created });
    }
}
