//! Guards: what no fix and no plan may do, whatever is required.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::domain::account::IntegratedAccount;
use crate::domain::assignment::assignment_id;
use crate::domain::policy::{DirectoryOperation, Grant, HeldRole, Person, Policy};
use crate::domain::role::{RoleScope, is_lower_level, replaces_level};
use crate::domain::user::UserStatus;
use crate::policies::kinds::{GroupCheck, PolicyKind};
use crate::store::{PeopleFilter, PeoplePage, StoreError, TenantDb};

/// The end of the ids of the roles that can't be taken from their holders.
const PRIMARY: &str = ":primary_owner";
/// The levels of which each place has a holder: the owners of the organization, and those of each workspace.
const OWNERS: [(&str, &str); 2] =
    [("org:owner", "org:primary_owner"), ("ws:owner", "ws:primary_owner")];
/// The kind of policies that require holders.
const MIN_HOLDERS: &str = "min_holders";
/// Maximum number of holders that are read: more of them are enough for any guard.
const MAX_HOLDERS: i64 = 10_000;

/// Why an operation is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GuardRefusal {
    /// The person is a primary owner.
    PrimaryOwner,
    /// The account works with this person's token.
    TokenHolder,
    /// The person is the last holder of the role in this place.
    LastHolder(String),
    /// A policy requires more holders.
    MinHolders(String),
    /// The policies of mode `fix` removed as much in the last 24 hours as they may.
    TooManyRemovals(u64),
}

impl std::fmt::Display for GuardRefusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::PrimaryOwner => f.write_str(
                "The person is a primary owner. Transfer the ownership at the provider first.",
            ),
            Self::TokenHolder => f.write_str(
                "The account works with this person's token. Link the account as another person first.",
            ),
            Self::LastHolder(role) => {
                write!(f, "No other person holds the role {role} there. Grant it to another person first.")
            }
            Self::MinHolders(policy) => write!(
                f,
                "The policy {policy} requires more holders of a role. Grant it to another person first."
            ),
            Self::TooManyRemovals(count) => write!(
                f,
                "Policies of mode `fix` made {count} removals in this account within 24 hours, which is the limit \
                 of `sync.max_removed`. Fix the violation with POST /drift/{{id}}/fix."
            ),
        }
    }
}

/// The guards of an account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guards<'a> {
    pub(crate) db: &'a TenantDb,
    pub(crate) account: &'a IntegratedAccount,
    /// The active policies of the account.
    pub(crate) policies: &'a [Policy],
    /// People as they are after what is done before, where that differs from the copy.
    pub(crate) planned: &'a BTreeMap<String, Person>,
}

impl Guards<'_> {
    /// Returns why an operation is refused; `None` when it is not.
    pub(crate) async fn check(
        &self,
        operation: &DirectoryOperation,
    ) -> Result<Option<GuardRefusal>, StoreError> {
        let filter = PeopleFilter::Ids(vec![operation.user_id().to_owned()]);
        let page = PeoplePage { as_of: None, after: None, limit: 1 };
        let found = self.db.people(self.account.id, &filter, page).await?;
        let Some(person) = found.into_iter().next() else {
            let is_token_holder = operation.is_removal() && self.is_token_holder(operation);
            return Ok(is_token_holder.then_some(GuardRefusal::TokenHolder));
        };
        self.check_of(&person, operation).await
    }

    fn is_token_holder(&self, operation: &DirectoryOperation) -> bool {
        self.account.installer_id.as_deref() == Some(operation.user_id())
    }

    /// Returns why an operation on this person is refused; `None` when it is not.
    pub(crate) async fn check_of(
        &self,
        person: &Person,
        operation: &DirectoryOperation,
    ) -> Result<Option<GuardRefusal>, StoreError> {
        if !takes_access(person, operation) {
            return Ok(None);
        }
        if self.is_token_holder(operation) {
            return Ok(Some(GuardRefusal::TokenHolder));
        }
        if person.roles.iter().any(|role| role.role_id.ends_with(PRIMARY)) {
            return Ok(Some(GuardRefusal::PrimaryOwner));
        }
        if let Some(role) = self.last_ownership(person, operation).await? {
            return Ok(Some(GuardRefusal::LastHolder(role)));
        }
        self.required_holders(person, operation).await
    }

    /// Returns the ownership that the place would have no holder of without this person.
    async fn last_ownership(
        &self,
        person: &Person,
        operation: &DirectoryOperation,
    ) -> Result<Option<String>, StoreError> {
        for (owner, primary) in OWNERS {
            let taken: Vec<&HeldRole> = person
                .roles
                .iter()
                .filter(|role| role.role_id == owner && takes(operation, role))
                .collect();
            if taken.is_empty() {
                continue;
            }
            let holders = PeopleFilter::Holders(vec![owner.to_owned(), primary.to_owned()]);
            let others = self.people(&holders).await?;
            let others =
                || others.iter().filter(|other| other.id != person.id && other.can_sign_in());
            for role in taken {
                let is_owner = |other: &HeldRole| {
                    [owner, primary].contains(&other.role_id.as_str())
                        && other.workspace_id == role.workspace_id
                };
                if !others().any(|other| other.roles.iter().any(is_owner)) {
                    return Ok(Some(role.role_name.clone()));
                }
            }
        }
        Ok(None)
    }

    /// Returns the policy of the kind `min_holders` that the operation would violate.
    async fn required_holders(
        &self,
        person: &Person,
        operation: &DirectoryOperation,
    ) -> Result<Option<GuardRefusal>, StoreError> {
        let after = after(person, operation);
        for policy in self.policies.iter().filter(|policy| policy.kind == MIN_HOLDERS) {
            let kind = PolicyKind::named(&policy.kind);
            let Some(check) = kind.and_then(|kind| kind.check(&policy.parameters).ok()) else {
                continue;
            };
            let Some(groups) = check.groups() else { continue };
            for group in groups.of(person) {
                if groups.of(&after).contains(&group) {
                    continue;
                }
                let filter = groups.members(std::slice::from_ref(&group));
                let mut others = self.people(&filter).await?;
                others.retain(|other| other.id != person.id);
                if falls_short(groups, &group, &others) {
                    return Ok(Some(GuardRefusal::MinHolders(policy.name.clone())));
                }
            }
        }
        Ok(None)
    }

    async fn people(&self, filter: &PeopleFilter) -> Result<Vec<Person>, StoreError> {
        let page = PeoplePage { as_of: None, after: None, limit: MAX_HOLDERS };
        let mut people = self.db.people(self.account.id, filter, page).await?;
        people.retain(|person| !self.planned.contains_key(&person.id));
        people.extend(self.planned.values().cloned());
        Ok(people)
    }
}

/// Whether a group of people violates a rule.
fn falls_short(groups: &dyn GroupCheck, group: &str, people: &[Person]) -> bool {
    let members: Vec<_> = people
        .iter()
        .filter(|person| groups.of(person).iter().any(|of| of == group))
        .map(|person| groups.member(person))
        .collect();
    groups.check(group, &members).is_some()
}

/// Whether an operation takes a role from its holder.
fn takes(operation: &DirectoryOperation, role: &HeldRole) -> bool {
    match operation {
        DirectoryOperation::RevokeRole { id, .. } => role.assignment_id == *id,
        DirectoryOperation::RemoveWorkspaceMember { workspace_id, .. } => {
            role.workspace_id.as_ref() == Some(workspace_id)
        }
        DirectoryOperation::GrantRole { role_id, workspace_id, .. } => {
            *workspace_id == role.workspace_id && replaces_level(role_id, &role.role_id)
        }
        DirectoryOperation::UpdateUser { changes, .. } => makes_guest(changes),
        DirectoryOperation::DeactivateUser { .. } | DirectoryOperation::ExpireUser { .. } => true,
        DirectoryOperation::AddGroupMember { .. }
        | DirectoryOperation::RemoveGroupMember { .. }
        | DirectoryOperation::AddWorkspaceMember { .. } => false,
    }
}

/// Whether an operation takes access from a person: also a level that is lower than the present one.
pub(crate) fn takes_access(person: &Person, operation: &DirectoryOperation) -> bool {
    match operation {
        DirectoryOperation::GrantRole { role_id, workspace_id, .. } => {
            person.roles.iter().any(|held| {
                held.workspace_id == *workspace_id && is_lower_level(role_id, &held.role_id)
            })
        }
        DirectoryOperation::UpdateUser { changes, .. } => {
            !person.is_guest() && makes_guest(changes)
        }
        DirectoryOperation::RevokeRole { .. }
        | DirectoryOperation::AddWorkspaceMember { .. }
        | DirectoryOperation::RemoveWorkspaceMember { .. }
        | DirectoryOperation::AddGroupMember { .. }
        | DirectoryOperation::RemoveGroupMember { .. }
        | DirectoryOperation::DeactivateUser { .. }
        | DirectoryOperation::ExpireUser { .. } => operation.is_removal(),
    }
}

/// Whether a change makes a guest of a member.
fn makes_guest(changes: &Map<String, Value>) -> bool {
    let kind = changes.get("user_type").and_then(Value::as_str);
    kind.is_some_and(|kind| kind.starts_with("guest"))
}

/// Returns a person as after an operation.
pub(crate) fn after(person: &Person, operation: &DirectoryOperation) -> Person {
    let mut after = person.clone();
    after.roles.retain(|role| !takes(operation, role));
    if let DirectoryOperation::GrantRole { user_id, role_id, workspace_id } = operation {
        let place = workspace_id.as_deref().unwrap_or_default();
        after.roles.push(HeldRole {
            assignment_id: assignment_id(role_id, user_id, place),
            role_id: role_id.clone(),
            role_name: role_id.clone(),
            scope: if workspace_id.is_some() {
                RoleScope::Workspace
            } else {
                RoleScope::Organization
            },
            workspace_id: workspace_id.clone(),
            is_privileged: true,
            grant: Grant {
                found_at: after.found_at,
                occurred_at: None,
                actor: None,
                is_older_than_sync: false,
            },
        });
    }
    if matches!(operation, DirectoryOperation::DeactivateUser { .. }) {
        after.profile.status = UserStatus::Inactive;
    }
    after
}
