//! What has to be done so that a person becomes as desired.

use serde_json::{Map, Value, json};

use super::changed_fields::{changed_fields, present_part, uncertain_fields};
use super::operation::{CreateOperation, NEW_OBJECT, PlanOperation};
use super::proposed_step::ProposedStep;
use super::resolved::{Ownership, ResolvedRole, ResolvedUser, ResolvedWorkspace};
use super::step::StepPhase;
use crate::domain::policy::{DirectoryOperation, HeldRole, Person};
use crate::domain::role::{
    is_guest_level, is_lower_level, is_member_level, level_family, replaces_level,
};
use crate::domain::user::{User, UserStatus, UserType};

/// The beginning of the key of a person that the plan creates.
const NEW_USER: &str = "user:";
/// Why access is not given to a deactivated person.
const DEACTIVATED: &str = "The person is deactivated. Name `status` as `active` in the desired state to reactivate the person.";
/// Why a level is not given to a guest.
const GUEST: &str =
    "A guest can't hold a level of members. Name `user_type` as `member`, or leave the role out.";

/// Why fields are not changed that can't be compared.
const UNCERTAIN: &str = "The provider stores these fields in a form of its own, so that it is unknown whether they differ. \
                         Change them with PATCH /users/{id}.";
/// Why a level is not lowered.
const HIGHER: &str =
    "The person holds a higher level there. Only the mode `authoritative` takes it.";

/// Returns the key of a person that the plan creates.
#[must_use]
pub fn new_user_key(match_key: &str) -> String {
    format!("{NEW_USER}{match_key}")
}

/// Returns the steps that make a person as desired. `user` is the person's profile.
#[must_use]
pub fn difference(
    person: &Person,
    user: &User,
    desired: &ResolvedUser,
    ownership: &Ownership,
) -> Vec<ProposedStep> {
    let mut steps = Vec::new();
    let status = desired.fields.get("status").and_then(Value::as_str);
    if status == Some("inactive") {
        if person.can_sign_in() {
            steps.push(deactivation(person, format!("Desired by {}.", desired.source)));
        }
        return steps;
    }
    let uncertain = uncertain_fields(user, &desired.fields);
    if !uncertain.is_empty() {
        steps.push(update(person, user, desired, uncertain).unless(Some(UNCERTAIN)));
    }
    let changes = changed_fields(user, &desired.fields);
    let blocked = (!person.can_sign_in() && status != Some("active")).then_some(DEACTIVATED);
    if !changes.is_empty() {
        steps.push(update(person, user, desired, changes));
    }
    workspaces(person, desired, ownership, blocked, &mut steps);
    roles(person, desired, ownership, blocked, &mut steps);
    groups(person, desired, ownership, blocked, &mut steps);
    steps
}

fn update(
    person: &Person,
    user: &User,
    desired: &ResolvedUser,
    changes: Map<String, Value>,
) -> ProposedStep {
    let before = changes.iter().map(|(name, value)| {
        let present = present_part(user, (name, value));
        (name.clone(), present)
    });
    let values = (Value::Object(before.collect()), Value::Object(changes.clone()));
    let operation = DirectoryOperation::UpdateUser { user_id: person.id.clone(), changes };
    let reason = format!("Desired by {}.", desired.source);
    ProposedStep::new(StepPhase::Additions, operation, values, reason)
}

/// Returns the steps for a person who is not in the desired state.
#[must_use]
pub fn departure(person: &Person, ownership: &Ownership, prune: bool) -> Vec<ProposedStep> {
    if person.is_bot() || !person.can_sign_in() {
        return Vec::new();
    }
    if prune {
        let reason = "The person is not in the desired state, and `prune` is on.".to_owned();
        return vec![deactivation(person, reason)];
    }
    let nothing = ResolvedUser {
        workspaces: Some(Vec::new()),
        roles: Some(Vec::new()),
        groups: Some(Vec::new()),
        ..ResolvedUser::default()
    };
    let mut steps = Vec::new();
    workspaces(person, &nothing, ownership, None, &mut steps);
    roles(person, &nothing, ownership, None, &mut steps);
    groups(person, &nothing, ownership, None, &mut steps);
    steps
}

/// Returns the steps that create a person.
#[must_use]
pub fn creation(desired: &ResolvedUser) -> Vec<ProposedStep> {
    let mut user = desired.fields.clone();
    if user.remove("status").is_some_and(|status| status == "inactive") {
        return Vec::new();
    }
    let is_guest = user.get("user_type").and_then(Value::as_str).is_some_and(is_guest_name);
    let mut skipped = Vec::new();
    if let Some(workspaces) = &desired.workspaces {
        let entries = workspaces.iter().map(|one| match one.channel_ids.as_slice() {
            [] => json!({"id": one.id}),
            channels => json!({"id": one.id, "channel_ids": channels}),
        });
        user.insert("workspaces".to_owned(), entries.collect());
    }
    let user_id = format!("{NEW_OBJECT}{}", new_user_key(&desired.key));
    let mut granted = Vec::new();
    for role in desired.roles.iter().flatten().filter(|role| !is_member_level(&role.id)) {
        if is_guest && level_family(&role.id).is_some() {
            skipped.push(grant(&user_id, role, None, &desired.source).unless(Some(GUEST)));
        } else {
            granted.push(match &role.workspace_id {
                Some(place) => json!({"id": role.id, "workspace_id": place}),
                None => json!({"id": role.id}),
            });
        }
    }
    if !granted.is_empty() {
        user.insert("roles".to_owned(), granted.into());
    }
    let reason = format!("Desired by {}, and not in the directory.", desired.source);
    let after = Value::Object(user.clone());
    let operation = CreateOperation::User { user };
    let mut steps =
        vec![ProposedStep::new(StepPhase::Additions, operation, (json!({}), after), reason)];
    steps.extend(skipped);
    for group in desired.groups.iter().flatten() {
        let reason = format!("Desired by {}.", desired.source);
        let operation = DirectoryOperation::AddGroupMember {
            group_id: group.id.clone(),
            user_id: user_id.clone(),
        };
        let after = json!({"group": {"id": group.id, "name": group.name}});
        let values = (json!({}), after);
        steps.push(ProposedStep::new(StepPhase::GroupAdditions, operation, values, reason));
    }
    steps
}

fn deactivation(person: &Person, reason: String) -> ProposedStep {
    let operation = DirectoryOperation::DeactivateUser { user_id: person.id.clone() };
    let mut before = json!({"status": person.profile.status});
    add_roles(&mut before, lost_roles(person, None));
    let values = (before, json!({"status": UserStatus::Inactive}));
    ProposedStep::new(StepPhase::Removals, operation, values, reason)
}

fn workspaces(
    person: &Person,
    desired: &ResolvedUser,
    ownership: &Ownership,
    blocked: Option<&str>,
    steps: &mut Vec<ProposedStep>,
) {
    let Some(wanted) = &desired.workspaces else { return };
    let kind = desired.fields.get("user_type").and_then(Value::as_str);
    let user_type = kind.and_then(|kind| kind.parse().ok()).unwrap_or(person.profile.user_type);
    for workspace in wanted {
        if !person.workspaces.iter().any(|is| is.id == workspace.id) {
            steps.push(joining(person, workspace, user_type, &desired.source).unless(blocked));
        }
    }
    for is in &person.workspaces {
        let is_wanted = wanted.iter().any(|workspace| workspace.id == is.id);
        if is_wanted || !ownership.owns_workspace(&is.id) {
            continue;
        }
        let name = is.name.as_deref().unwrap_or(&is.id);
        let reason = format!("The person is not desired in the workspace {name}.");
        let operation = DirectoryOperation::RemoveWorkspaceMember {
            workspace_id: is.id.clone(),
            user_id: person.id.clone(),
        };
        let mut before = json!({"workspace": {"id": is.id, "name": is.name}});
        add_roles(&mut before, lost_roles(person, Some(&is.id)));
        let values = (before, json!({}));
        steps.push(ProposedStep::new(StepPhase::Removals, operation, values, reason));
    }
}

/// Returns the roles that a person loses with the membership of a workspace, or with the account.
pub fn lost_roles<'p>(
    person: &'p Person,
    workspace_id: Option<&'p str>,
) -> impl Iterator<Item = &'p HeldRole> {
    person.roles.iter().filter(move |role| {
        workspace_id.is_none_or(|id| role.workspace_id.as_deref() == Some(id))
            && !is_member_level(&role.role_id)
            && !is_guest_level(&role.role_id)
    })
}

fn add_roles<'r>(before: &mut Value, roles: impl Iterator<Item = &'r HeldRole>) {
    let roles: Vec<Value> = roles.map(role_json).collect();
    if let (false, Some(before)) = (roles.is_empty(), before.as_object_mut()) {
        before.insert("roles".to_owned(), roles.into());
    }
}

fn joining(
    person: &Person,
    workspace: &ResolvedWorkspace,
    user_type: UserType,
    source: &str,
) -> ProposedStep {
    let operation = DirectoryOperation::AddWorkspaceMember {
        workspace_id: workspace.id.clone(),
        user_id: person.id.clone(),
        user_type,
        channel_ids: workspace.channel_ids.clone(),
    };
    let after = json!({"workspace": {"id": workspace.id, "name": workspace.name}});
    let reason = format!("Desired by {source}.");
    ProposedStep::new(StepPhase::Additions, operation, (json!({}), after), reason)
}

fn roles(
    person: &Person,
    desired: &ResolvedUser,
    ownership: &Ownership,
    blocked: Option<&str>,
    steps: &mut Vec<ProposedStep>,
) {
    let Some(wanted) = &desired.roles else { return };
    let kind = desired.fields.get("user_type").and_then(Value::as_str);
    let is_guest = kind.map_or_else(|| person.is_guest(), is_guest_name);
    for role in wanted {
        let here = |held: &&HeldRole| held.workspace_id == role.workspace_id;
        if person.roles.iter().filter(here).any(|held| held.role_id == role.id) {
            continue;
        }
        let replaced =
            person.roles.iter().filter(here).find(|held| replaces_level(&role.id, &held.role_id));
        let is_level = level_family(&role.id).is_some();
        let is_only_implied = is_member_level(&role.id)
            && replaced.is_none_or(|held| !is_lower_level(&role.id, &held.role_id));
        if is_only_implied {
            continue;
        }
        let takes = replaced.filter(|held| is_lower_level(&role.id, &held.role_id));
        let place = role.workspace_id.as_deref();
        let is_owned = |id: &str| ownership.owns_role(id, place);
        let higher = takes.is_some_and(|held| !is_owned(&role.id) && !is_owned(&held.role_id));
        let higher = higher.then_some(HIGHER);
        if let (true, Some(held)) = (is_member_level(&role.id), replaced) {
            let reason = format!("Desired by {}.", desired.source);
            steps.push(revocation(person, held, reason).unless(higher));
            continue;
        }
        let step = grant(&person.id, role, replaced, &desired.source);
        let refused = (is_guest && is_level).then_some(GUEST);
        steps.push(step.unless(refused).unless(blocked).unless(higher));
    }
    for held in &person.roles {
        let is_wanted = wanted.iter().any(|role| {
            role.workspace_id == held.workspace_id
                && (role.id == held.role_id || replaces_level(&role.id, &held.role_id))
        });
        let is_implied = is_member_level(&held.role_id) || is_guest_level(&held.role_id);
        let ends_with_membership = steps.iter().any(|step| {
            let PlanOperation::Change(DirectoryOperation::RemoveWorkspaceMember {
                workspace_id,
                ..
            }) = &step.operation
            else {
                return false;
            };
            held.workspace_id.as_ref() == Some(workspace_id)
        });
        if is_wanted
            || is_implied
            || ends_with_membership
            || !ownership.owns_role(&held.role_id, held.workspace_id.as_deref())
        {
            continue;
        }
        let reason = format!("The person is not to hold the role {}.", held.role_name);
        steps.push(revocation(person, held, reason));
    }
}

fn grant(
    user_id: &str,
    role: &ResolvedRole,
    replaced: Option<&HeldRole>,
    source: &str,
) -> ProposedStep {
    let operation = DirectoryOperation::GrantRole {
        user_id: user_id.to_owned(),
        role_id: role.id.clone(),
        workspace_id: role.workspace_id.clone(),
    };
    let before = replaced.map_or_else(|| json!({}), |held| json!({"role": role_json(held)}));
    let after = json!({"role": {"id": role.id, "workspace_id": role.workspace_id}});
    let reason = format!("Desired by {source}.");
    let lowers = replaced.is_some_and(|held| is_lower_level(&role.id, &held.role_id));
    let phase = if lowers { StepPhase::Removals } else { StepPhase::Additions };
    ProposedStep::new(phase, operation, (before, after), reason)
}

fn revocation(person: &Person, held: &HeldRole, reason: String) -> ProposedStep {
    let values = (json!({"role": role_json(held)}), json!({}));
    ProposedStep::new(StepPhase::Removals, held.revocation(&person.id), values, reason)
}

fn role_json(held: &HeldRole) -> Value {
    json!({"id": held.role_id, "workspace_id": held.workspace_id, "name": held.role_name})
}

fn groups(
    person: &Person,
    desired: &ResolvedUser,
    ownership: &Ownership,
    blocked: Option<&str>,
    steps: &mut Vec<ProposedStep>,
) {
    let Some(wanted) = &desired.groups else { return };
    let user_id = &person.id;
    for group in wanted {
        if person.groups.iter().any(|is| is.id == group.id) {
            continue;
        }
        let operation = DirectoryOperation::AddGroupMember {
            group_id: group.id.clone(),
            user_id: user_id.clone(),
        };
        let after = json!({"group": {"id": group.id, "name": group.name}});
        let (values, reason) = ((json!({}), after), format!("Desired by {}.", desired.source));
        let step = ProposedStep::new(StepPhase::GroupAdditions, operation, values, reason);
        steps.push(step.unless(blocked));
    }
    for is in &person.groups {
        let is_wanted = wanted.iter().any(|group| group.id == is.id);
        if is_wanted || !ownership.owns_group(&is.id) {
            continue;
        }
        let operation = DirectoryOperation::RemoveGroupMember {
            group_id: is.id.clone(),
            user_id: user_id.clone(),
        };
        let name = is.name.as_deref().unwrap_or(&is.id);
        let reason = format!("The person is not desired in the group {name}.");
        let before = json!({"group": {"id": is.id, "name": is.name}});
        let values = (before, json!({}));
        steps.push(ProposedStep::new(StepPhase::GroupRemovals, operation, values, reason));
    }
}

/// Whether this is the name of a kind of guest.
fn is_guest_name(kind: &str) -> bool {
    kind.starts_with("guest")
}
