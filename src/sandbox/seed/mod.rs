//! Makes up an organization: the same one for the same seed, whatever the day.
//!
//! All dates hang on [`ANCHOR`] and not on the clock, so that a sandbox started again tomorrow
//! with the same seed has the very same people in it.

mod cast;
mod dates;
mod dice;
mod names;
mod people;
#[cfg(test)]
mod tests;

use cast::parts;
pub(crate) use dates::{ANCHOR, DAY, FOUNDED};
use dice::Dice;
use names::{CHANNELS, DEPARTMENTS, WORKSPACES};
use people::Writer;

use super::org::{
    Channel, Discoverability, Group, Keeper, Level, OrgLevel, Organization, PersonIndex,
    RoleAssignment, Workspace,
};

/// System roles: id, and whether they can be held for one workspace.
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

/// Makes up an organization of so many accounts and workspaces.
pub(crate) fn organization(seed: u64, users: usize, workspaces: usize) -> Organization {
    let mut dice = Dice::new(seed);
    let mut org =
        Organization::empty(dice.id("E"), "Lumen Works", "lumenworks", "lumenworks.example");
    for number in 0..workspaces.max(1) {
        let workspace = workspace(&mut dice, number);
        org.workspaces.push(workspace);
    }
    let groups = DEPARTMENTS.iter().map(|department| department.name);
    for name in groups.chain(["All Employees", "On-call"]) {
        let created = FOUNDED + dice.seconds(30 * DAY);
        let id = dice.id("S");
        org.add_group(Group::new(id, name, Keeper::IdentityProvider, 0, created));
    }
    let parts = parts(users, &mut dice);
    let mut writer = Writer::new(&mut dice, parts.len());
    for (number, part) in parts.into_iter().enumerate() {
        writer.add(&mut org, number, part);
    }
    for number in 0..org.workspaces.len() {
        rank_workspace(&mut org, &mut dice, number);
    }
    assign_system_roles(&mut org, &mut dice);
    // Last, so that what came before is the same with and without them.
    for workspace in &mut org.workspaces {
        workspace.channels.extend(topics(&mut dice));
    }
    org
}

fn workspace(dice: &mut Dice, number: usize) -> Workspace {
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
    let channels = channels.map(|name| Channel::first(dice.id("C"), name, FOUNDED));
    Workspace {
        id: dice.id("T"),
        name,
        domain: format!("lumenworks-{domain}"),
        description,
        discoverability,
        icon: None,
        primary_owner: 0,
        members: std::collections::BTreeSet::new(),
        channels: channels.to_vec(),
        created: FOUNDED + i64::try_from(number).unwrap_or(0) * DAY,
    }
}

/// The channels of a workspace beside those that everybody is in.
fn topics(dice: &mut Dice) -> Vec<Channel> {
    let open = CHANNELS
        .iter()
        .map(|(name, purpose)| Channel::topical(dice.id("C"), name, purpose, FOUNDED + 100 * DAY));
    let mut channels: Vec<Channel> = open.collect();
    if let Some(leads) = channels.iter_mut().find(|channel| channel.name == "leads") {
        leads.is_private = true;
    }
    if let Some(old) = channels.iter_mut().find(|channel| channel.name == "summer-party-2023") {
        old.is_archived = true;
    }
    channels
}

/// Names the primary owner, the owners and the admins of one workspace from its members.
fn rank_workspace(org: &mut Organization, dice: &mut Dice, number: usize) {
    let Some(workspace) = org.workspaces.get(number) else {
        return;
    };
    let is_candidate = |index: &PersonIndex| {
        let of = |person: &super::org::Person| {
            let member = person.membership(number).is_some_and(|one| one.level == Level::Member);
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
    dice.shuffle(&mut candidates);
    let owners = (candidates.len() / 40).clamp(1, 3);
    let admins = (candidates.len() / 20).clamp(1, 6);
    let ranks =
        std::iter::repeat_n(Level::Owner, owners).chain(std::iter::repeat_n(Level::Admin, admins));
    let ranked: Vec<(PersonIndex, Level)> = candidates.into_iter().zip(ranks).collect();
    for (index, level) in ranked.into_iter().chain([(first, Level::PrimaryOwner)]) {
        org.rank(index, number, level);
    }
    if let Some(workspace) = org.workspaces.get_mut(number) {
        workspace.primary_owner = first;
    }
}

fn assign_system_roles(org: &mut Organization, dice: &mut Dice) {
    let full: Vec<PersonIndex> = org
        .people()
        .iter()
        .enumerate()
        .filter(|(_, person)| person.is_active() && !person.is_bot() && person.guest().is_none())
        .map(|(index, _)| index)
        .collect();
    let count = (full.len() / 12).clamp(2, 400);
    let mut created = FOUNDED + 200 * DAY;
    for _ in 0..count {
        let Some(user) = dice.pick(&full).copied() else {
            return;
        };
        let Some((role, in_workspace)) = dice.pick(SYSTEM_ROLES).copied() else {
            return;
        };
        created += 1 + dice.seconds((ANCHOR - FOUNDED - 200 * DAY) / 400);
        let workspace = org.workspaces.get(dice.below(org.workspaces.len()));
        let entity_id = match workspace {
            Some(workspace) if role == "Rl0A" && dice.chance(40) => {
                workspace.channels.first().map_or_else(String::new, |one| one.id.clone())
            }
            Some(workspace) if in_workspace && dice.chance(60) => workspace.id.clone(),
            Some(_) | None => org.id.clone(),
        };
        let role_id = role.to_owned();
        org.roles.add(RoleAssignment { role_id, entity_id, user, created });
    }
}
