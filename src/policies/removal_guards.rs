//! Guards: what no fix and no plan may take, whatever is required, and whom no fix gives anything. Single requests to
//! the API are checked by the provider alone.

use std::collections::{BTreeMap, BTreeSet};

use super::operation_effect::{after, gives_access, takes, takes_access};
use crate::connectors::Connector;
use crate::domain::account::IntegratedAccount;
use crate::domain::ids::IntegratedAccountId;
use crate::domain::policy::{DirectoryOperation, HeldRole, Person};
use crate::domain::role::level_family;
use crate::domain::sync::{CopyKind, SyncResource};
use crate::policies::kinds::{Check, GroupCheck, PolicyKind};
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
    /// The copy has no roles, so that it is unknown what the person holds.
    UnknownRoles,
    /// The policies of mode `fix` removed as much in the last 24 hours as they may.
    TooManyRemovals(u64),
    /// The person is deactivated or deleted, and would get access.
    CannotSignIn,
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
            Self::UnknownRoles => f.write_str(
                "The roles of people are not in the synced copy, so that it is unknown whether the person owns \
                 something. Sync `role_assignments` first.",
            ),
            Self::TooManyRemovals(count) => write!(
                f,
                "Policies of mode `fix` made {count} removals in this account within 24 hours, which is the limit \
                 of `sync.max_removed`. Fix the violation with POST /drift/{{id}}/fix."
            ),
            Self::CannotSignIn => f.write_str(
                "The person is deactivated or deleted, and some providers activate a person who gets access. \
                 Activate the person first.",
            ),
        }
    }
}

/// What the guards of an account count.
#[derive(Debug)]
pub(crate) struct RequiredHolders {
    /// The active policies that require a minimum number of holders: their names, and what they count.
    policies: Vec<(String, Box<dyn Check>)>,
    /// Whether the copy has the roles of people, if the provider has any.
    are_roles_known: bool,
}

impl RequiredHolders {
    /// Reads what the guards of an account count.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub(crate) async fn read(
        db: &TenantDb,
        account_id: IntegratedAccountId,
        connector: &dyn Connector,
    ) -> Result<Self, StoreError> {
        let policies = db.active_policies(account_id).await?;
        let required = policies.iter().filter(|policy| policy.kind == MIN_HOLDERS);
        let checked = required.filter_map(|policy| {
            let check = PolicyKind::named(&policy.kind)?.check(&policy.parameters).ok()?;
            Some((policy.name.clone(), check))
        });
        let is_synced = async || {
            let settings = db.sync_settings(account_id).await?;
            let resource = SyncResource::RoleAssignments;
            let is_requested = settings.is_some_and(|one| one.resources.contains(&resource));
            let kinds = [CopyKind::RoleAssignment];
            let found = is_requested && db.copy_freshness(account_id, &kinds).await?.is_some();
            Ok::<_, StoreError>(found)
        };
        let are_roles_known = connector.role_assignments().is_none() || is_synced().await?;
        Ok(Self { policies: checked.collect(), are_roles_known })
    }

    /// Whether the guards of other people's operations count a person differently in two states.
    pub(crate) fn count_differently(&self, one: &Person, other: &Person) -> bool {
        ownerships(one) != ownerships(other)
            || self.groups().any(|(_, groups)| groups.of(one) != groups.of(other))
    }

    fn groups(&self) -> impl Iterator<Item = (&str, &dyn GroupCheck)> {
        self.policies.iter().filter_map(|(name, check)| Some((name.as_str(), check.groups()?)))
    }
}

/// Returns what a person who can sign in owns: the organization, or workspaces.
fn ownerships(person: &Person) -> BTreeSet<(&str, Option<&str>)> {
    let is_ownership = |role: &&HeldRole| {
        let id = role.role_id.as_str();
        OWNERS.iter().any(|(owner, primary)| id == *owner || id == *primary)
    };
    let held = person.roles.iter().filter(is_ownership).filter(|_| person.can_sign_in());
    held.map(|role| (role.role_id.as_str(), role.workspace_id.as_deref())).collect()
}

/// The guards of an account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guards<'a> {
    pub(crate) db: &'a TenantDb,
    pub(crate) account: &'a IntegratedAccount,
    /// The holders that policies of the account require.
    pub(crate) required: &'a RequiredHolders,
    /// People as they are after what is done before, where that differs from the copy.
    pub(crate) planned: &'a BTreeMap<String, Person>,
}

impl Guards<'_> {
    /// Returns why an operation of a fix is refused; `None` when it is not. A fix activates nobody; a plan may, in an
    /// earlier step.
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
        if !person.can_sign_in() && gives_access(operation) {
            return Ok(Some(GuardRefusal::CannotSignIn));
        }
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
        if !self.required.are_roles_known && grants_level(operation) {
            return Ok(Some(GuardRefusal::UnknownRoles));
        }
        if !takes_access(person, operation) {
            return Ok(None);
        }
        if self.is_token_holder(operation) {
            return Ok(Some(GuardRefusal::TokenHolder));
        }
        let is_of_group = matches!(operation, DirectoryOperation::RemoveGroupMember { .. });
        if !self.required.are_roles_known && !is_of_group {
            return Ok(Some(GuardRefusal::UnknownRoles));
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
        for (policy, groups) in self.required.groups() {
            for group in groups.of(person) {
                if groups.of(&after).contains(&group) {
                    continue;
                }
                let filter = groups.members(std::slice::from_ref(&group));
                let mut others = self.people(&filter).await?;
                others.retain(|other| other.id != person.id);
                if falls_short(groups, &group, &others) {
                    return Ok(Some(GuardRefusal::MinHolders(policy.to_owned())));
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

/// Whether an operation gives a level, which replaces the present one: a higher one may be lost by it.
fn grants_level(operation: &DirectoryOperation) -> bool {
    let DirectoryOperation::GrantRole { role_id, .. } = operation else { return false };
    level_family(role_id).is_some()
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
