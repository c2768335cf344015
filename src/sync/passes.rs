//! The passes of a run: each reads one page of a list, as objects of the copy.

use std::collections::HashMap;

use serde_json::value::RawValue;

use super::page_objects::{ObjectsByKind, PageObjects};
use crate::connectors::{
    CallContext, Connector, ConnectorError, ListRequest, PageToken, ReadProfiles, ReadResource,
    Unified,
};
use crate::domain::assignment::RoleAssignment;
use crate::domain::copied_object::CopiedObject;
use crate::domain::filter::{Expand, Expansion, Filterable, RemoteQuery};
use crate::domain::group::Group;
use crate::domain::page::{MAX_LIMIT, Page, PageRequest};
use crate::domain::sync::CopyKind;
use crate::domain::user::{User, UserType};
use crate::domain::workspace::Workspace;

/// Workspaces per page: each costs three more calls, and the position is stored after each page.
const WORKSPACES_PER_PAGE: u16 = 10;
/// Groups per page: each may have thousands of members.
const GROUPS_PER_PAGE: u16 = 100;
/// Maximum number of profiles requested one by one after a page: users that changed their place in the list of profiles
/// while it was read.
const MAX_SINGLE_PROFILES: usize = 20;

/// A page of a pass.
#[derive(Default)]
pub(super) struct PassPage {
    /// The objects.
    pub(super) objects: PageObjects,
    /// The profiles of users.
    pub(super) profiles: Vec<(String, String)>,
    /// The ids of the rows, to detect a list that repeats.
    pub(super) ids: Vec<String>,
    /// The next page; `None` at the end.
    pub(super) next: Option<PageToken>,
}

/// Requests one page of a list without a filter.
async fn list<T: Filterable>(
    reader: &dyn ReadResource<T>,
    cx: &CallContext<'_>,
    page: PageRequest<PageToken>,
    expand: &[Expansion],
) -> Result<Page<Unified<T>, PageToken>, ConnectorError> {
    let (filter, remote_query) = (T::Filter::default(), RemoteQuery::default());
    let expand = Expand(expand.iter().copied().collect());
    let request =
        ListRequest { page, filter: &filter, expand: &expand, remote_query: &remote_query };
    reader.list(cx, request).await
}

/// Reads a page of workspaces, with owners, admins and settings.
pub(super) async fn workspaces(
    connector: &dyn Connector,
    cx: &CallContext<'_>,
    token: Option<PageToken>,
) -> Result<PassPage, ConnectorError> {
    let Some(reader) = connector.workspaces() else { return Ok(PassPage::default()) };
    let page = PageRequest { token, limit: WORKSPACES_PER_PAGE };
    let page =
        list::<Workspace>(reader, cx, page, &[Expansion::Owners, Expansion::Settings]).await?;
    let objects: Vec<_> =
        page.items.into_iter().map(|row| CopiedObject::workspace(*row.resource)).collect();
    let ids = objects.iter().map(|object| object.id.clone()).collect();
    let objects = PageObjects::ready(vec![(CopyKind::Workspace, objects)]);
    Ok(PassPage { objects, profiles: Vec::new(), ids, next: page.next })
}

/// Reads a page of profiles.
pub(super) async fn profiles(
    reader: &dyn ReadProfiles,
    cx: &CallContext<'_>,
    token: Option<PageToken>,
) -> Result<PassPage, ConnectorError> {
    let page = reader.list(cx, PageRequest { token, limit: MAX_LIMIT }).await?;
    let profiles: Vec<_> =
        page.items.into_iter().map(|(id, profile)| (id, profile.get().to_owned())).collect();
    let ids = profiles.iter().map(|(id, _)| id.clone()).collect();
    Ok(PassPage { profiles, ids, next: page.next, ..PassPage::default() })
}

/// Reads a page of users, without their profiles.
pub(super) async fn users(
    connector: &dyn Connector,
    cx: &CallContext<'_>,
    token: Option<PageToken>,
) -> Result<(Vec<User>, Option<PageToken>), ConnectorError> {
    let Some(reader) = connector.users() else { return Ok((Vec::new(), None)) };
    let page = PageRequest { token, limit: MAX_LIMIT };
    let page = list::<User>(reader, cx, page, &[]).await?;
    Ok((page.items.into_iter().map(|row| *row.resource).collect(), page.next))
}

/// Merges profiles into users, and requests those that are missing.
pub(super) async fn merge_profiles(
    reader: &dyn ReadProfiles,
    cx: &CallContext<'_>,
    users: &mut [User],
    profiles: Vec<(String, String)>,
) -> Result<(), ConnectorError> {
    let profiles: HashMap<String, String> = profiles.into_iter().collect();
    let mut singles = 0;
    for user in users.iter_mut() {
        let stored = profiles.get(&user.id).and_then(|text| serde_json::from_str(text).ok());
        let profile: Option<Box<RawValue>> = match stored {
            Some(profile) => Some(profile),
            None if user.user_type == UserType::Bot || singles == MAX_SINGLE_PROFILES => None,
            None => {
                singles += 1;
                reader.get(cx, &user.id).await?
            }
        };
        if let Some(profile) = profile {
            reader.merge(cx, user, &profile)?;
        }
    }
    Ok(())
}

/// Returns users and their memberships of workspaces as objects.
pub(super) fn user_objects(users: &[User]) -> ObjectsByKind {
    let members = users.iter().flat_map(|user| {
        let workspaces = user.workspaces.iter();
        workspaces.map(|workspace| CopiedObject::workspace_member(&workspace.id, &user.id))
    });
    vec![
        (CopyKind::User, users.iter().map(CopiedObject::user).collect()),
        (CopyKind::WorkspaceMember, members.collect()),
    ]
}

/// Reads a page of groups, with their members.
pub(super) async fn groups(
    connector: &dyn Connector,
    cx: &CallContext<'_>,
    token: Option<PageToken>,
) -> Result<PassPage, ConnectorError> {
    let Some(reader) = connector.groups() else { return Ok(PassPage::default()) };
    let page =
        list::<Group>(reader, cx, PageRequest { token, limit: GROUPS_PER_PAGE }, &[]).await?;
    let groups: Vec<Group> = page.items.into_iter().map(|row| *row.resource).collect();
    let ids = groups.iter().map(|group| group.id.clone()).collect();
    let objects = PageObjects::groups(groups);
    Ok(PassPage { objects, profiles: Vec::new(), ids, next: page.next })
}

/// Reads a page of role assignments.
pub(super) async fn role_assignments(
    connector: &dyn Connector,
    cx: &CallContext<'_>,
    token: Option<PageToken>,
) -> Result<PassPage, ConnectorError> {
    let Some(reader) = connector.role_assignments() else { return Ok(PassPage::default()) };
    let page = list::<RoleAssignment>(reader, cx, PageRequest { token, limit: MAX_LIMIT }, &[]);
    let page = page.await?;
    let objects: Vec<_> =
        page.items.iter().map(|row| CopiedObject::role_assignment(&row.resource)).collect();
    let ids = objects.iter().map(|object| object.id.clone()).collect();
    let objects = PageObjects::ready(vec![(CopyKind::RoleAssignment, objects)]);
    Ok(PassPage { objects, profiles: Vec::new(), ids, next: page.next })
}
