//! Reads SCIM users: one call per page, one per user. Where groups are roles or workspaces and the server's users do
//! not have their groups, those groups are read as well.

use std::sync::Arc;

use async_trait::async_trait;

use super::ScimConnector;
use super::features::{ScimFeatures, ScimSettings, WorkspaceSource};
use super::filters::user_filter;
use super::held_roles::{attribute_roles, group_roles, user_role};
use super::list_call::ListCall;
use super::map;
use super::memberships::{AccountOptions, Memberships};
use super::pages::ScimRecord;
use super::position::Position;
use super::role_id::parse_role_id;
use super::unsupported::{NO_WORKSPACES, unsupported};
use super::wire::UserResource;
use crate::connectors::page_token::{decode, encode};
use crate::connectors::{
    CallContext, ConnectorError, ListRequest, PageToken, ReadResource, Unified,
};
use crate::domain::filter::UserFilter;
use crate::domain::page::Page;
use crate::domain::user::{ResourceRef, User, UserStatus, UserType};

/// The call that lists users.
pub(super) const LIST_USERS: &str = "scim.users.list";
/// The call that reads a user.
pub(super) const GET_USER: &str = "scim.users.get";

#[async_trait]
impl ReadResource<User> for ScimConnector {
    async fn list(
        &self,
        cx: &CallContext<'_>,
        request: ListRequest<'_, User>,
    ) -> Result<Page<Unified<User>, PageToken>, ConnectorError> {
        let ListRequest { page, filter, remote_query, .. } = request;
        let (features, settings) = (ScimFeatures::of(cx.account), ScimSettings::of(cx.account));
        if filter.workspace_id.is_some() && settings.workspaces_from == WorkspaceSource::None {
            return Err(unsupported(cx, NO_WORKSPACES));
        }
        let at: Position = decode(cx, LIST_USERS, page.token.as_ref())?;
        if !can_match(filter, &settings) {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let call = ListCall {
            method: LIST_USERS,
            endpoint: &features.user.endpoint,
            filter: user_filter(filter, &features),
            filter_max: features.filter_max,
            attributes: None,
            remote_query,
        };
        let page = self.read_page(cx, &call, at, page.limit).await?;
        let items = self.unified_users(cx, (&features, &settings), page.rows).await?;
        Ok(Page { items, next: page.next.map(|next| encode(&next)) })
    }

    async fn get(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<Option<Unified<User>>, ConnectorError> {
        let (features, settings) = (ScimFeatures::of(cx.account), ScimSettings::of(cx.account));
        let user = self.read_resource(cx, GET_USER, &features.user.endpoint, id).await?;
        let Some(user) = user else { return Ok(None) };
        Ok(self.unified_users(cx, (&features, &settings), vec![user]).await?.pop())
    }
}

/// Whether a user of a SCIM server can match a filter.
fn can_match(filter: &UserFilter, settings: &ScimSettings) -> bool {
    let has_status = !matches!(filter.status, Some(UserStatus::Invited | UserStatus::Deleted));
    let has_type = filter.user_type.is_none_or(|kind| kind == UserType::Member);
    let has_role = filter.role_id.as_deref().is_none_or(|id| {
        parse_role_id(id).is_some_and(|(source, _)| settings.roles_from.contains(&source))
    });
    has_status && has_type && has_role
}

impl ScimConnector {
    /// Maps users, with their roles and workspaces.
    pub(super) async fn unified_users(
        &self,
        cx: &CallContext<'_>,
        options: AccountOptions<'_>,
        users: Vec<ScimRecord<UserResource>>,
    ) -> Result<Vec<Unified<User>>, ConnectorError> {
        let memberships = self.missing_memberships(cx, options, &users).await?;
        let organization = &cx.account.organization.id;
        let unified = |(user, remote): ScimRecord<UserResource>| {
            Unified::new(unified_user(user, options.1, &memberships, organization), remote)
        };
        Ok(users.into_iter().map(unified).collect())
    }
}

fn unified_user(
    wire: UserResource,
    settings: &ScimSettings,
    memberships: &Memberships,
    organization: &Arc<str>,
) -> User {
    let mut roles = attribute_roles(&wire, settings);
    let user = map::user(wire);
    let mut groups: Vec<ResourceRef> = memberships.of(&user.id).to_vec();
    let own = user.groups.iter().flatten().filter(|own| {
        // The row may lack the name.
        !memberships.of(&user.id).iter().any(|known| known.id == own.id)
    });
    groups.extend(own.cloned());
    roles.extend(group_roles(&groups, settings));
    groups.retain(|group| {
        settings.is_workspace(&group.id, group.name.as_deref().unwrap_or_default())
    });
    let roles = roles.into_iter().map(|held| user_role(held, organization)).collect();
    User { roles, workspaces: groups, ..user }
}
