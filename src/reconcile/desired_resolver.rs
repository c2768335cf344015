//! Finds the workspaces, roles and groups that a desired state names in the directory.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use crate::connectors::Connector;
use crate::domain::ids::IntegratedAccountId;
use crate::domain::reconciliation::{
    CreateOperation, DesiredUser, InvalidDesired, NEW_OBJECT, NewWorkspace, Owned, Ownership,
    OwnershipMode, ResolvedGroup, ResolvedRole, ResolvedUser, ResolvedWorkspace, Scope,
};
use crate::domain::sync::CopyKind;
use crate::store::{NamedObject, StoreError, TenantDb};

/// The beginning of the key of a workspace that the plan creates.
const NEW_WORKSPACE: &str = "workspace:";

/// The objects of a kind by id and by name.
#[derive(Debug, Default)]
pub struct Objects {
    by_id: HashMap<String, Option<String>>,
    /// By the name in lower case.
    by_name: HashMap<String, Vec<String>>,
}

impl Objects {
    /// Returns these objects.
    #[must_use]
    pub fn new(objects: Vec<NamedObject>) -> Self {
        let mut known = Self::default();
        for NamedObject { id, name } in objects {
            if let Some(name) = &name {
                known.by_name.entry(name.to_lowercase()).or_default().push(id.clone());
            }
            known.by_id.insert(id, name);
        }
        known
    }

    /// Returns the id and the name of the object that a text names; `what` is their kind.
    ///
    /// # Errors
    ///
    /// Why it names none, or not one alone.
    pub fn find(&self, text: &str, what: &str) -> Result<(String, Option<String>), String> {
        let text = text.trim();
        if let Some(name) = self.by_id.get(text) {
            return Ok((text.to_owned(), name.clone()));
        }
        match self.by_name.get(&text.to_lowercase()).map(Vec::as_slice) {
            Some([id]) => Ok((id.clone(), self.by_id.get(id).cloned().flatten())),
            Some([_, ..]) => Err(format!("several {what}s have the name {text}: use the id")),
            Some([]) | None => Err(format!("no {what} has the id or name {text}")),
        }
    }
}

/// Finds what desired states name.
pub(super) struct Resolver<'a> {
    connector: &'a dyn Connector,
    workspaces: Objects,
    groups: Objects,
}

impl<'a> Resolver<'a> {
    /// Reads the names of the copy. Workspaces of `new` that do not exist are known by their name.
    pub(super) async fn read(
        db: &TenantDb,
        account_id: IntegratedAccountId,
        connector: &'a dyn Connector,
        new: &[NewWorkspace],
    ) -> Result<(Self, Vec<(CreateOperation, String)>), StoreError> {
        let workspaces = db.object_names(account_id, CopyKind::Workspace).await?;
        let groups = db.object_names(account_id, CopyKind::Group).await?;
        let mut resolver =
            Self { connector, workspaces: Objects::new(workspaces), groups: Objects::new(groups) };
        let mut created = Vec::new();
        for workspace in new {
            let name = workspace.name.trim().to_lowercase();
            if resolver.workspaces.by_name.contains_key(&name) {
                continue;
            }
            let key = format!("{NEW_WORKSPACE}{name}");
            let id = format!("{NEW_OBJECT}{key}");
            resolver.workspaces.by_name.insert(name, vec![id.clone()]);
            resolver.workspaces.by_id.insert(id, Some(workspace.name.clone()));
            let body = serde_json::to_value(workspace).unwrap_or_default();
            let body = body.as_object().cloned().unwrap_or_default();
            created.push((CreateOperation::Workspace { workspace: body }, key));
        }
        Ok((resolver, created))
    }

    /// Finds what a person of a desired state is to have. `key` is the value by which the person is matched.
    ///
    /// # Errors
    ///
    /// The first workspace, role or group that is not found.
    pub(super) fn resolve(
        &self,
        desired: DesiredUser,
        key: String,
        source: String,
    ) -> Result<ResolvedUser, InvalidDesired> {
        let workspaces = desired.workspaces.map(|list| {
            list.into_iter().map(|one| self.workspace(&one.id, one.channel_ids)).collect()
        });
        let roles = desired.roles.map(|list| {
            list.into_iter().map(|one| self.role(one.id, one.workspace_id.as_deref())).collect()
        });
        let groups =
            desired.groups.map(|list| list.iter().map(|group| self.group(group)).collect());
        let at = |name: &str| {
            let pointer = format!("/{name}");
            move |message: String| InvalidDesired { pointer, message }
        };
        Ok(ResolvedUser {
            key,
            source,
            fields: desired.fields,
            workspaces: workspaces.transpose().map_err(at("workspaces"))?.map(joined_workspaces),
            roles: roles.transpose().map_err(at("roles"))?.map(|list| distinct(list, Clone::clone)),
            groups: groups
                .transpose()
                .map_err(at("groups"))?
                .map(|list| distinct(list, |one| one.id.clone())),
        })
    }

    fn workspace(&self, text: &str, channel_ids: Vec<String>) -> Result<ResolvedWorkspace, String> {
        let (id, name) = self.workspaces.find(text, "workspace")?;
        Ok(ResolvedWorkspace { id, name, channel_ids })
    }

    fn role(&self, id: String, workspace: Option<&str>) -> Result<ResolvedRole, String> {
        if self.connector.has_role(&id) == Some(false) {
            return Err(format!("no role has the id {id}: GET /roles lists them"));
        }
        let place = workspace.map(|text| self.workspaces.find(text, "workspace")).transpose()?;
        Ok(ResolvedRole { id, workspace_id: place.map(|(id, _)| id) })
    }

    fn group(&self, text: &str) -> Result<ResolvedGroup, String> {
        let (id, name) = self.groups.find(text, "group")?;
        Ok(ResolvedGroup { id, name })
    }

    /// Returns what a reconciliation owns by its scope.
    ///
    /// # Errors
    ///
    /// The first entry whose workspace, role or group is not found.
    pub(super) fn ownership(&self, scope: &Scope) -> Result<Ownership, String> {
        let mut ownership = Ownership::default();
        for entry in &scope.workspaces {
            let (id, _) = self.workspaces.find(&entry.id, "workspace")?;
            ownership.declare(Owned::Workspace(id), entry.mode);
        }
        for entry in &scope.roles {
            let role = self.role(entry.id.clone(), entry.workspace_id.as_deref())?;
            let is_everywhere = role.workspace_id.is_none() && !role.id.starts_with("org:");
            let owned = if is_everywhere {
                Owned::RoleEverywhere(role.id)
            } else {
                Owned::Role(role.id, role.workspace_id)
            };
            ownership.declare(owned, entry.mode);
        }
        for entry in &scope.groups {
            let (id, _) = self.groups.find(&entry.id, "group")?;
            ownership.declare(Owned::Group(id), entry.mode);
        }
        Ok(ownership)
    }
}

/// Returns each workspace once: one may be named by its id and by its name.
fn joined_workspaces(list: Vec<ResolvedWorkspace>) -> Vec<ResolvedWorkspace> {
    let mut joined: Vec<ResolvedWorkspace> = Vec::with_capacity(list.len());
    for workspace in list {
        match joined.iter_mut().find(|one| one.id == workspace.id) {
            None => joined.push(workspace),
            Some(same) => {
                same.channel_ids.extend(workspace.channel_ids);
                same.channel_ids.sort_unstable();
                same.channel_ids.dedup();
            }
        }
    }
    joined
}

/// Returns the first of the objects with the same key.
fn distinct<T, K: Eq + Hash>(list: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut keys = HashSet::new();
    list.into_iter().filter(|one| keys.insert(key(one))).collect()
}

/// Declares what a person of the desired state names, in the mode of what the scope does not name.
pub(super) fn declare(ownership: &mut Ownership, user: &ResolvedUser, mode: OwnershipMode) {
    for workspace in user.workspaces.iter().flatten() {
        ownership.declare(Owned::Workspace(workspace.id.clone()), mode);
    }
    for role in user.roles.iter().flatten() {
        ownership.declare(Owned::Role(role.id.clone(), role.workspace_id.clone()), mode);
    }
    for group in user.groups.iter().flatten() {
        ownership.declare(Owned::Group(group.id.clone()), mode);
    }
}
