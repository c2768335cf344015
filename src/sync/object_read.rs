//! Reads one object of a directory, and what refers to it, to bring its copy up to date.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::page_objects::PageObjects;
use super::passes::user_objects;
use super::problem::{self, Consequence};
use super::removals::{get, get_own_fields, held_by};
use crate::connectors::{CallContext, Connector, ConnectorError};
use crate::domain::assignment::{RoleAssignment, split_assignment_id};
use crate::domain::copied_object::CopiedObject;
use crate::domain::event::EventOrigin;
use crate::domain::reconciliation::present_value;
use crate::domain::reported_change::{ReportedChange, Subject};
use crate::domain::sync::{CopyKind, MaxRemoved, SyncResource, SyncSettings, SyncStatus};
use crate::domain::user::{User, UserStatus, UserType};
use crate::store::{StoreError, TenantDb};

/// The levels by which a workspace lists a user as owner or admin.
const LISTED_LEVELS: [&str; 3] = ["ws:primary_owner", "ws:owner", "ws:admin"];

/// Why an object was not read.
#[derive(Debug, thiserror::Error)]
pub enum ObjectReadError {
    /// The provider's call failed.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was read of an object.
#[derive(Debug, Default)]
pub(super) struct ReadObject {
    /// The objects of each kind, in the order of their events.
    pub(super) objects: Vec<(CopyKind, Vec<CopiedObject>)>,
    /// The ids of the objects of each kind that are no longer there.
    pub(super) removals: Vec<(CopyKind, Vec<String>)>,
    /// Whether it is a deactivated user: what the user has lost follows from that, whatever its number.
    is_deactivated: bool,
}

impl ReadObject {
    /// Returns how many objects of a kind may be removed; `None` for any number.
    pub(super) fn max_removed(&self, settings: &SyncSettings) -> Option<MaxRemoved> {
        (!self.is_deactivated).then_some(settings.max_removed)
    }

    /// Whether all objects of a kind that refer to the object were read.
    fn reads(&self, kind: CopyKind) -> bool {
        self.objects.iter().any(|(of, _)| *of == kind)
            || self.removals.iter().any(|(of, _)| *of == kind)
    }
}

/// How much of a user is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserRead<'a> {
    /// These fields: by the profile alone, if it has them.
    Fields(&'a [String]),
    /// All fields, and the workspaces.
    Whole,
    /// The roles too.
    WithRoles,
}

/// What is read of an object.
#[derive(Debug, Clone, Copy)]
pub(super) struct ObjectScope<'a> {
    /// How much of a user is read.
    pub(super) user: UserRead<'a>,
    /// Whether a user or group that the provider does not have is removed; otherwise the next full run removes it.
    pub(super) removes: bool,
    /// The workspaces that are read too, with their owners and admins.
    pub(super) workspace_ids: &'a [String],
}

/// Reads objects of one account.
pub(super) struct ObjectReader<'a> {
    /// The database.
    pub(super) db: &'a TenantDb,
    /// The connector.
    pub(super) connector: &'a dyn Connector,
    /// The account, and the client for provider calls.
    pub(super) cx: CallContext<'a>,
    /// The settings of the account.
    pub(super) settings: &'a SyncSettings,
    /// Now.
    pub(super) now: OffsetDateTime,
}

impl ObjectReader<'_> {
    /// Reads an object; `None` when there is nothing to write: it does not exist, or is not copied.
    pub(super) async fn read(
        &self,
        subject: &Subject,
        scope: ObjectScope<'_>,
    ) -> Result<Option<ReadObject>, ObjectReadError> {
        match subject {
            Subject::User(id) if self.copies(SyncResource::Users) => {
                if let UserRead::Fields(names) = scope.user
                    && let Some(read) = self.read_profile(id, names).await?
                {
                    return Ok(Some(read));
                }
                let with_roles =
                    scope.user == UserRead::WithRoles && self.copies(SyncResource::RoleAssignments);
                let read = self.read_user(id, (with_roles, scope.removes)).await?;
                let Some(mut read) = read else { return Ok(None) };
                let mut ids: BTreeSet<String> = scope.workspace_ids.iter().cloned().collect();
                ids.extend(self.workspaces_of_changed_levels(id, with_roles, &read).await?);
                let workspaces = self.read_workspaces(ids).await?;
                read.objects.insert(0, (CopyKind::Workspace, workspaces));
                Ok(Some(read))
            }
            Subject::Workspace(id) if self.copies(SyncResource::Workspaces) => {
                let found = get(self.connector.workspaces(), &self.cx, id).await?;
                Ok(found.map(|found| ReadObject {
                    objects: vec![(CopyKind::Workspace, vec![CopiedObject::workspace(*found)])],
                    ..ReadObject::default()
                }))
            }
            Subject::Group(id) if self.copies(SyncResource::Groups) => {
                self.read_group(id, scope.removes).await
            }
            Subject::User(_) | Subject::Workspace(_) | Subject::Group(_) => Ok(None),
        }
    }

    /// Returns the workspaces of which a user became or was an owner or admin, compared with the copy.
    async fn workspaces_of_changed_levels(
        &self,
        user_id: &str,
        with_roles: bool,
        read: &ReadObject,
    ) -> Result<BTreeSet<String>, StoreError> {
        let of_roles = |objects: &[(CopyKind, Vec<CopiedObject>)]| -> BTreeSet<String> {
            let held = objects.iter().filter(|(kind, _)| *kind == CopyKind::RoleAssignment);
            held.flat_map(|(_, objects)| objects.iter().map(|object| object.id.clone())).collect()
        };
        let is_read = with_roles && read.reads(CopyKind::RoleAssignment);
        if !is_read {
            return Ok(BTreeSet::new());
        }
        let (now, id) = (of_roles(&read.objects), user_id.to_owned());
        let kind = CopyKind::RoleAssignment;
        let known = self.db.current_ids(self.cx.account.id, kind, Some(&id), None).await?;
        let known: BTreeSet<String> = known.into_iter().collect();
        let changed = now.symmetric_difference(&known);
        let places = changed.filter_map(|id| {
            let [role, _, place] = split_assignment_id(id)?;
            LISTED_LEVELS.contains(&role.as_str()).then_some(place)
        });
        Ok(places.collect())
    }

    /// Reads workspaces. One that can't be read now is read later.
    async fn read_workspaces(
        &self,
        ids: BTreeSet<String>,
    ) -> Result<Vec<CopiedObject>, ObjectReadError> {
        let mut read = Vec::new();
        if !self.copies(SyncResource::Workspaces) {
            return Ok(read);
        }
        for id in ids {
            match get(self.connector.workspaces(), &self.cx, &id).await {
                Ok(found) => read.extend(found.map(|found| CopiedObject::workspace(*found))),
                Err(error) => {
                    tracing::debug!(account = %self.cx.account.id, %error, "a workspace is read later");
                    let report = ReportedChange {
                        subject: Subject::Workspace(id),
                        with_roles: false,
                        cause: None,
                    };
                    let (account_id, origin) = (self.cx.account.id, EventOrigin::Sync);
                    self.db.report_changes(account_id, origin, &[report], false, self.now).await?;
                }
            }
        }
        Ok(read)
    }

    fn copies(&self, resource: SyncResource) -> bool {
        self.settings.enabled && self.settings.resources.contains(&resource)
    }

    /// Reads the profile of a user whose other fields are copied; `None` unless it has these fields, and others changed
    /// nothing that it does not have.
    async fn read_profile(
        &self,
        id: &str,
        names: &[String],
    ) -> Result<Option<ReadObject>, ObjectReadError> {
        let Some(reader) = self.connector.profiles() else { return Ok(None) };
        let account_id = self.cx.account.id;
        // A run that read the user's other fields earlier must not find a later version of them that is older.
        let runs = self.db.sync_runs(Some(account_id), Some(SyncStatus::Running), None, 1).await?;
        if !runs.is_empty() {
            return Ok(None);
        }
        let Some(profile) = reader.get(&self.cx, id).await? else { return Ok(None) };
        let known = self.db.current_body(account_id, CopyKind::User, id).await?;
        let Some(mut user) = known.and_then(|body| without(&body, names)) else { return Ok(None) };
        let is_complete = reader.replace(&self.cx, &mut user, &profile)?
            && names.iter().all(|name| {
                let value = present_value(&user, name);
                reader.has_field(name, value.is_null())
            });
        let objects = user_objects(std::slice::from_ref(&user));
        Ok(is_complete.then_some(ReadObject { objects, ..ReadObject::default() }))
    }

    async fn read_user(
        &self,
        id: &str,
        (with_roles, removes): (bool, bool),
    ) -> Result<Option<ReadObject>, ObjectReadError> {
        let found = get_own_fields(self.connector.users(), &self.cx, id).await?;
        let Some(mut user) = found else {
            return if removes {
                self.removed_user(id, with_roles).await.map(Some)
            } else {
                Ok(None)
            };
        };
        if let Some(reader) = self.connector.profiles() {
            if user.user_type == UserType::Bot {
                // Its single read has other fields, and no workspaces. Runs read bots.
                return Ok(None);
            }
            reader.as_listed(&mut user);
        }
        let mut objects = user_objects(std::slice::from_ref(&*user));
        if let Some(reader) = self.connector.profiles() {
            let known = self.db.current_body(self.cx.account.id, CopyKind::User, &user.id).await?;
            for object in objects.iter_mut().flat_map(|(_, objects)| objects) {
                if object.kind == CopyKind::User {
                    let apart = reader.fields_of_one_read(&user);
                    *object = object.clone().with_fields_of(known.as_deref(), apart);
                }
            }
        }
        let mut kinds = Vec::new();
        if with_roles && let Some(held) = self.roles_of(&user.id).await? {
            let held = held.iter().map(CopiedObject::role_assignment).collect();
            objects.push((CopyKind::RoleAssignment, held));
            kinds.push(CopyKind::RoleAssignment);
        }
        kinds.push(CopyKind::WorkspaceMember);
        let removals = self.gone(&kinds, |kind| (kind, Some(&user.id), None), &objects).await?;
        let is_deactivated = matches!(user.status, UserStatus::Inactive | UserStatus::Deleted);
        Ok(Some(ReadObject { objects, removals, is_deactivated }))
    }

    /// Returns the removal of a user that was deleted, with what refers to it.
    async fn removed_user(
        &self,
        id: &str,
        with_roles: bool,
    ) -> Result<ReadObject, ObjectReadError> {
        let id = id.to_owned();
        let roles = with_roles.then_some(CopyKind::RoleAssignment);
        let members = [CopyKind::GroupMember, CopyKind::WorkspaceMember];
        let kinds: Vec<CopyKind> = roles.into_iter().chain(members).collect();
        let mut removals = self.gone(&kinds, |kind| (kind, Some(&id), None), &[]).await?;
        removals.push((CopyKind::User, vec![id.clone()]));
        Ok(ReadObject { removals, is_deactivated: true, ..ReadObject::default() })
    }

    /// Returns the roles of a user; `None` when the token may not read them.
    async fn roles_of(&self, user_id: &str) -> Result<Option<Vec<RoleAssignment>>, ConnectorError> {
        match held_by(self.connector, &self.cx, user_id).await {
            Err(error) if problem::consequence(&error) == Consequence::SkipResource => Ok(None),
            held => held.map(Some),
        }
    }

    async fn read_group(
        &self,
        id: &str,
        removes: bool,
    ) -> Result<Option<ReadObject>, ObjectReadError> {
        let found = get(self.connector.groups(), &self.cx, id).await?;
        if found.is_none() && !removes {
            return Ok(None);
        }
        let is_gone = found.is_none();
        let objects = PageObjects::groups(found.map(|group| *group)).take_all();
        let id = id.to_owned();
        let of = |kind| (kind, None, Some(&id));
        let mut removals = self.gone(&[CopyKind::GroupMember], of, &objects).await?;
        if is_gone {
            removals.push((CopyKind::Group, vec![id.clone()]));
        }
        Ok(Some(ReadObject { objects, removals, is_deactivated: false }))
    }

    /// Returns the objects of the copy that refer to a user or group and were not read now.
    async fn gone<'i>(
        &self,
        kinds: &[CopyKind],
        of: impl Fn(CopyKind) -> (CopyKind, Option<&'i String>, Option<&'i String>),
        read: &[(CopyKind, Vec<CopiedObject>)],
    ) -> Result<Vec<(CopyKind, Vec<String>)>, StoreError> {
        let mut gone = Vec::new();
        for kind in kinds {
            let (kind, user_id, parent_id) = of(*kind);
            let known = self.db.current_ids(self.cx.account.id, kind, user_id, parent_id).await?;
            let read = read.iter().filter(|(of, _)| *of == kind).flat_map(|(_, objects)| objects);
            let read: HashSet<&str> = read.map(|object| object.id.as_str()).collect();
            let known = known.into_iter().filter(|id| !read.contains(id.as_str()));
            gone.push((kind, known.collect()));
        }
        Ok(gone)
    }
}

/// Returns the user of a copied body without values of these fields.
fn without(body: &str, names: &[String]) -> Option<User> {
    let mut fields: Map<String, Value> = serde_json::from_str(body).ok()?;
    for name in names {
        if let Some(field) = fields.get_mut(name) {
            *field = Value::Null;
        }
    }
    serde_json::from_value(Value::Object(fields)).ok()
}
