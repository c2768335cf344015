//! Removal of what a complete run has not found. Each object is requested by its id before it is removed from the copy,
//! and a run that would remove too many is held.

use std::collections::{BTreeSet, HashMap};

use crate::connectors::paging::PageHistory;
use crate::connectors::{
    CallContext, Connector, ConnectorError, ErrorKind, ListRequest, ReadResource, Unified,
};
use crate::domain::assignment::RoleAssignment;
use crate::domain::filter::{AssignmentFilter, Expand, Filterable, RemoteQuery};
use crate::domain::group::Group;
use crate::domain::page::{MAX_LIMIT, PageRequest};
use crate::domain::sync::CopyKind;
use crate::domain::user::{User, UserStatus, UserType};
use crate::store::MissingObject;

/// The order of removals: what refers to an object is removed before it.
pub(super) const ORDER: [CopyKind; 6] = [
    CopyKind::RoleAssignment,
    CopyKind::GroupMember,
    CopyKind::WorkspaceMember,
    CopyKind::Group,
    CopyKind::User,
    CopyKind::Workspace,
];
/// The number of missing objects that are requested between two checkpoints.
pub(super) const BATCH: i64 = 20;

/// Returns the ids of those missing objects that the provider does not have.
pub(super) async fn confirm_removed(
    connector: &dyn Connector,
    cx: &CallContext<'_>,
    kind: CopyKind,
    missing: &[MissingObject],
) -> Result<Vec<String>, ConnectorError> {
    let mut known = KnownObjects::default();
    let mut removed = Vec::new();
    for object in missing {
        let exists = match kind {
            CopyKind::User => {
                once(&mut known.users, connector.users(), cx, &object.id).await?.is_some()
            }
            CopyKind::Workspace => exists(connector.workspaces(), cx, &object.id).await?,
            CopyKind::Group => {
                once(&mut known.groups, connector.groups(), cx, &object.id).await?.is_some()
            }
            CopyKind::WorkspaceMember => known.is_member(connector, cx, object).await?,
            CopyKind::GroupMember => known.is_group_member(connector, cx, object).await?,
            CopyKind::RoleAssignment => known.holds(connector, cx, object).await?,
        };
        if !exists {
            removed.push(object.id.clone());
        }
    }
    Ok(removed)
}

/// What was requested for one batch: several missing objects refer to one user or group.
#[derive(Debug, Default)]
struct KnownObjects {
    users: HashMap<String, Option<Box<User>>>,
    groups: HashMap<String, Option<Box<Group>>>,
    assignments: HashMap<String, BTreeSet<String>>,
}

impl KnownObjects {
    async fn is_member(
        &mut self,
        connector: &dyn Connector,
        cx: &CallContext<'_>,
        object: &MissingObject,
    ) -> Result<bool, ConnectorError> {
        let user_id = object.user_id.as_deref().unwrap_or_default();
        let user = once(&mut self.users, connector.users(), cx, user_id).await?;
        let Some(mut user) = user.cloned() else { return Ok(false) };
        if let Some(profiles) = connector.profiles() {
            profiles.as_listed(&mut user);
        }
        // A single read of a bot does not have its workspaces.
        let is_bot = user.user_type == UserType::Bot && user.status == UserStatus::Active;
        let workspaces = &user.workspaces;
        Ok(is_bot || workspaces.iter().any(|one| Some(&one.id) == object.parent_id.as_ref()))
    }

    async fn is_group_member(
        &mut self,
        connector: &dyn Connector,
        cx: &CallContext<'_>,
        object: &MissingObject,
    ) -> Result<bool, ConnectorError> {
        let group_id = object.parent_id.as_deref().unwrap_or_default();
        let group = once(&mut self.groups, connector.groups(), cx, group_id).await?;
        Ok(group.is_some_and(|group| {
            group.members.iter().any(|one| Some(&one.id) == object.user_id.as_ref())
        }))
    }

    async fn holds(
        &mut self,
        connector: &dyn Connector,
        cx: &CallContext<'_>,
        object: &MissingObject,
    ) -> Result<bool, ConnectorError> {
        let user_id = object.user_id.as_deref().unwrap_or_default();
        if !self.assignments.contains_key(user_id) {
            let held = held_by(connector, cx, user_id).await?;
            let ids = held.into_iter().map(|held| held.id).collect();
            self.assignments.insert(user_id.to_owned(), ids);
        }
        Ok(self.assignments.get(user_id).is_some_and(|held| held.contains(&object.id)))
    }
}

/// Requests an object by its id, unless it was requested before.
async fn once<'k, T: Filterable>(
    known: &'k mut HashMap<String, Option<Box<T>>>,
    reader: Option<&dyn ReadResource<T>>,
    cx: &CallContext<'_>,
    id: &str,
) -> Result<Option<&'k T>, ConnectorError> {
    if !known.contains_key(id) {
        known.insert(id.to_owned(), get(reader, cx, id).await?);
    }
    Ok(known.get(id).and_then(Option::as_deref))
}

async fn exists<T: Filterable>(
    reader: Option<&dyn ReadResource<T>>,
    cx: &CallContext<'_>,
    id: &str,
) -> Result<bool, ConnectorError> {
    Ok(get(reader, cx, id).await?.is_some())
}

/// Requests an object by its id; `None` when there is none.
pub(super) async fn get<T: Filterable>(
    reader: Option<&dyn ReadResource<T>>,
    cx: &CallContext<'_>,
    id: &str,
) -> Result<Option<Box<T>>, ConnectorError> {
    let Some(reader) = reader else { return Ok(None) };
    found(reader.get(cx, id).await)
}

/// Requests an object by its id, without what other resources list; `None` when there is none.
pub(super) async fn get_own_fields<T: Filterable>(
    reader: Option<&dyn ReadResource<T>>,
    cx: &CallContext<'_>,
    id: &str,
) -> Result<Option<Box<T>>, ConnectorError> {
    let Some(reader) = reader else { return Ok(None) };
    found(reader.get_own_fields(cx, id).await)
}

fn found<T>(
    read: Result<Option<Unified<T>>, ConnectorError>,
) -> Result<Option<Box<T>>, ConnectorError> {
    match read {
        Ok(found) => Ok(found.map(|found| found.resource)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Requests all role assignments of a user.
pub(super) async fn held_by(
    connector: &dyn Connector,
    cx: &CallContext<'_>,
    user_id: &str,
) -> Result<Vec<RoleAssignment>, ConnectorError> {
    let Some(reader) = connector.role_assignments() else { return Ok(Vec::new()) };
    let filter =
        AssignmentFilter { user_id: Some(user_id.to_owned()), ..AssignmentFilter::default() };
    let (expand, remote_query) = (Expand::default(), RemoteQuery::default());
    let (mut held, mut token, mut history) = (Vec::new(), None, PageHistory::default());
    loop {
        let page = PageRequest { token, limit: MAX_LIMIT };
        let request =
            ListRequest { page, filter: &filter, expand: &expand, remote_query: &remote_query };
        let page = match reader.list(cx, request).await {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(held),
            page => page?,
        };
        held.extend(page.items.into_iter().map(|row| *row.resource));
        let Some(next) = page.next else { return Ok(held) };
        cx.advance("role-assignments", &mut history, &next.0)?;
        token = Some(next);
    }
}
