//! Brings the copy up to date with a change that the gateway has made, in the request that makes it: what the change
//! concerns is requested from the provider and compared.

use time::OffsetDateTime;

use super::passes::{group_objects, user_objects};
use super::removals::{get, held_by};
use super::services::SyncServices;
use crate::connectors::{CallContext, Connector, ConnectorError};
use crate::domain::copied_object::CopiedObject;
use crate::domain::event::EventActor;
use crate::domain::sync::{CopyKind, SyncResource};
use crate::store::{StoreError, TenantDb};

/// What a change concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// A user with its memberships and roles.
    User(String),
    /// A workspace.
    Workspace(String),
    /// A group with its members.
    Group(String),
}

/// Writes changes of one request through to the copy.
#[derive(Debug)]
pub struct WriteThrough<'a> {
    /// The services.
    pub services: &'a SyncServices,
    /// The account, and the client for provider calls.
    pub cx: CallContext<'a>,
    /// Who made the change.
    pub actor: EventActor,
}

/// Why the copy was not updated. The next full run updates it.
#[derive(Debug, thiserror::Error)]
enum WriteThroughError {
    /// The provider's call failed.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl WriteThrough<'_> {
    /// Brings the copy up to date with a change. A failure is logged: the change itself was made, and the next full run
    /// finds it.
    pub async fn write(&self, changed: &Changed) {
        if let Err(error) = self.try_write(changed).await {
            tracing::warn!(account = %self.cx.account.id, %error, "a change was not copied at once");
        }
    }

    async fn try_write(&self, changed: &Changed) -> Result<(), WriteThroughError> {
        let account = self.cx.account;
        let db = self.services.store.tenant(account.environment_id);
        let Some(settings) = db.sync_settings(account.id).await? else { return Ok(()) };
        let copied = |resource| settings.enabled && settings.resources.contains(&resource);
        let read_at = self.services.clock.now();
        let connector = self.services.registry.connector(account.provider);
        match changed {
            Changed::User(id) if copied(SyncResource::Users) => {
                let has_roles = copied(SyncResource::RoleAssignments);
                self.write_user(&db, connector, (id, has_roles), read_at).await
            }
            Changed::Workspace(id) if copied(SyncResource::Workspaces) => {
                let found = get(connector.workspaces(), &self.cx, id).await?;
                let Some(found) = found else { return Ok(()) };
                let objects = vec![(CopyKind::Workspace, vec![CopiedObject::workspace(*found)])];
                self.store(&db, &objects, &[], read_at).await
            }
            Changed::Group(id) if copied(SyncResource::Groups) => {
                self.write_group(&db, connector, id, read_at).await
            }
            Changed::User(_) | Changed::Workspace(_) | Changed::Group(_) => Ok(()),
        }
    }

    async fn write_user(
        &self,
        db: &TenantDb,
        connector: &dyn Connector,
        (id, has_roles): (&str, bool),
        read_at: OffsetDateTime,
    ) -> Result<(), WriteThroughError> {
        let Some(user) = get(connector.users(), &self.cx, id).await? else { return Ok(()) };
        let mut objects = user_objects(std::slice::from_ref(&*user));
        if let Some(reader) = connector.profiles() {
            let known = db.current_body(self.cx.account.id, CopyKind::User, &user.id).await?;
            for object in objects.iter_mut().flat_map(|(_, objects)| objects) {
                if object.kind == CopyKind::User {
                    let apart = reader.fields_of_one_read();
                    *object = object.clone().with_fields_of(known.as_deref(), apart);
                }
            }
        }
        let mut kinds = vec![CopyKind::WorkspaceMember];
        if has_roles {
            let held = held_by(connector, &self.cx, &user.id).await?;
            let held = held.iter().map(CopiedObject::role_assignment).collect();
            objects.push((CopyKind::RoleAssignment, held));
            kinds.insert(0, CopyKind::RoleAssignment);
        }
        let removals = self.gone(db, &kinds, |kind| (kind, Some(&user.id), None), &objects).await?;
        self.store(db, &objects, &removals, read_at).await
    }

    async fn write_group(
        &self,
        db: &TenantDb,
        connector: &dyn Connector,
        id: &str,
        read_at: OffsetDateTime,
    ) -> Result<(), WriteThroughError> {
        let found = get(connector.groups(), &self.cx, id).await?;
        let objects = found.as_deref().map(|group| group_objects(std::slice::from_ref(group)));
        let objects = objects.unwrap_or_default();
        let id = id.to_owned();
        let of = |kind| (kind, None, Some(&id));
        let mut removals = self.gone(db, &[CopyKind::GroupMember], of, &objects).await?;
        if found.is_none() {
            removals.push((CopyKind::Group, vec![id.clone()]));
        }
        self.store(db, &objects, &removals, read_at).await
    }

    /// Returns the objects of the copy that refer to a user or group and were not read now.
    async fn gone<'i>(
        &self,
        db: &TenantDb,
        kinds: &[CopyKind],
        of: impl Fn(CopyKind) -> (CopyKind, Option<&'i String>, Option<&'i String>),
        read: &[(CopyKind, Vec<CopiedObject>)],
    ) -> Result<Vec<(CopyKind, Vec<String>)>, StoreError> {
        let mut gone = Vec::new();
        for kind in kinds {
            let (kind, user_id, parent_id) = of(*kind);
            let known = db.current_ids(self.cx.account.id, kind, user_id, parent_id).await?;
            let is_read = |id: &String| {
                read.iter()
                    .filter(|(of, _)| *of == kind)
                    .any(|(_, objects)| objects.iter().any(|object| object.id == *id))
            };
            gone.push((kind, known.into_iter().filter(|id| !is_read(id)).collect()));
        }
        Ok(gone)
    }

    async fn store(
        &self,
        db: &TenantDb,
        objects: &[(CopyKind, Vec<CopiedObject>)],
        removals: &[(CopyKind, Vec<String>)],
        read_at: OffsetDateTime,
    ) -> Result<(), WriteThroughError> {
        let SyncServices { clock, entropy, .. } = self.services;
        let (account_id, times) = (self.cx.account.id, (read_at, clock.now()));
        Ok(db.write_through(account_id, objects, removals, &self.actor, times, &**entropy).await?)
    }
}
