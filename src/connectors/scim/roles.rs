//! Reads roles. SCIM has no list of them: each distinct value of `roles` and `entitlements` of users is a role, each
//! group that the account's settings name, and each value that the server's schemas suggest. A page costs up to ten
//! calls, and may be empty although there are more.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::ScimConnector;
use super::features::{RoleSource, ScimFeatures, ScimSettings};
use super::filters::role_filter;
use super::held_roles::{HeldRole, attribute_roles, role};
use super::list_call::ListCall;
use super::map::group_name;
use super::memberships::AccountOptions;
use super::pages::ResourcePage;
use super::position::{Position, RowDigest, decode_digests, digest, encode_digests};
use super::role_id::parse_role_id;
use super::unsupported::{NO_ROLES, unsupported};
use super::users::LIST_USERS;
use super::wire::UserResource;
use crate::connectors::page_token::{decode, encode};
use crate::connectors::paging::PageHistory;
use crate::connectors::response::reject_reserved;
use crate::connectors::{
    CallContext, ConnectorError, ListRequest, PageToken, ReadResource, Unified,
};
use crate::domain::filter::{GroupFilter, RemoteQuery, RoleFilter};
use crate::domain::page::{MAX_LIMIT, Page};
use crate::domain::role::{Role, RoleScope};

/// The name of the list, for errors.
const ROLES: &str = "roles";
/// Calls for one page.
const MAX_CALLS: u32 = 10;
/// Maximum number of roles: the page token has all of those that were returned.
const MAX_ROLES: usize = 1_000;
/// What to do about more of them.
const TOO_MANY: &str =
    "Choose another source with `roles_from` in the account's `provider_settings`.";
/// The parameter that leaves out what roles do not need (RFC 7644 §3.4.2.5).
const WITHOUT_GROUPS: (&str, &str) = ("excludedAttributes", "groups");

/// What is read for roles, in list order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    /// The values that the schemas suggest.
    #[default]
    Announced,
    /// Users.
    Users,
    /// Groups.
    Groups,
}

/// The start of a page.
#[derive(Debug, Default, Serialize, Deserialize)]
struct RolePosition {
    #[serde(rename = "p")]
    phase: Phase,
    #[serde(rename = "at")]
    at: Position,
    /// The digests of the roles that were returned.
    #[serde(rename = "seen")]
    seen: String,
}

/// The roles of a page that is being read.
struct RolePage {
    roles: Vec<HeldRole>,
    seen: Vec<RowDigest>,
    limit: usize,
}

/// A page is full: another role has no room.
struct Full;

impl RolePage {
    /// Adds the roles that were not returned before.
    fn add(&mut self, roles: impl IntoIterator<Item = HeldRole>) -> Result<(), Full> {
        for role in roles {
            let digest = digest(&role.id);
            if self.seen.contains(&digest) {
                continue;
            }
            if self.roles.len() >= self.limit || self.seen.len() >= MAX_ROLES {
                return Err(Full);
            }
            self.seen.push(digest);
            self.roles.push(role);
        }
        Ok(())
    }
}

#[async_trait]
impl ReadResource<Role> for ScimConnector {
    async fn list(
        &self,
        cx: &CallContext<'_>,
        request: ListRequest<'_, Role>,
    ) -> Result<Page<Unified<Role>, PageToken>, ConnectorError> {
        let ListRequest { page, filter, remote_query, .. } = request;
        let (features, settings) = (ScimFeatures::of(cx.account), ScimSettings::of(cx.account));
        check_sources(cx, &settings)?;
        // No list is called that takes arguments.
        reject_reserved(cx, ROLES, remote_query, &remote_query.names().collect::<Vec<_>>())?;
        let position: RolePosition = decode(cx, ROLES, page.token.as_ref())?;
        if !can_match(filter) {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let seen = decode_digests(&position.seen);
        let mut read = RolePage { roles: Vec::new(), seen, limit: page.limit.into() };
        let place = (position.phase, position.at);
        let next = self.read_roles(cx, (&features, &settings), place, &mut read).await?;
        let RolePage { roles, seen, .. } = read;
        if next.is_some() && seen.len() >= MAX_ROLES {
            let odd = format!("users have more than {MAX_ROLES} distinct roles");
            return Err(cx.invalid_response(ROLES, odd).with_fix(TOO_MANY));
        }
        let next = next.map(|(phase, at)| RolePosition { phase, at, seen: encode_digests(&seen) });
        let roles = roles.into_iter().map(|held| Unified::new(role(held, &features), None));
        Ok(Page { items: roles.collect(), next: next.map(|next| encode(&next)) })
    }

    async fn get(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<Option<Unified<Role>>, ConnectorError> {
        let (features, settings) = (ScimFeatures::of(cx.account), ScimSettings::of(cx.account));
        check_sources(cx, &settings)?;
        let parsed = parse_role_id(id).filter(|(source, _)| settings.roles_from.contains(source));
        let Some((source, value)) = parsed else { return Ok(None) };
        let held = match source {
            RoleSource::Groups => self.role_group(cx, (&features, &settings), value).await?,
            RoleSource::Roles | RoleSource::Entitlements => {
                let announced = announced(&features, &settings);
                match announced.into_iter().find(|known| known.id == id) {
                    Some(known) => Some(known),
                    None => self.held_role(cx, (&features, &settings), (source, value)).await?,
                }
            }
        };
        Ok(held.map(|held| Unified::new(role(held, &features), None)))
    }
}

/// Rejects reads of an account without roles.
pub(super) fn check_sources(
    cx: &CallContext<'_>,
    settings: &ScimSettings,
) -> Result<(), ConnectorError> {
    if settings.roles_from.is_empty() { Err(unsupported(cx, NO_ROLES)) } else { Ok(()) }
}

/// Whether a role of a SCIM server can match a filter: all of them apply to the organization.
fn can_match(filter: &RoleFilter) -> bool {
    let has_scope = filter.scope.is_none_or(|scope| scope == RoleScope::Organization);
    has_scope && filter.workspace_id.is_none()
}

/// Returns the roles that the server's schemas suggest.
fn announced(features: &ScimFeatures, settings: &ScimSettings) -> Vec<HeldRole> {
    let sources =
        [(RoleSource::Roles, "roles.value"), (RoleSource::Entitlements, "entitlements.value")];
    let sources = sources.into_iter().filter(|(source, _)| settings.roles_from.contains(source));
    let values = sources.flat_map(|(source, path)| {
        let attribute = features.user.attribute(path);
        let values = attribute.map(|attribute| attribute.canonical.as_slice()).unwrap_or_default();
        values.iter().map(move |value| HeldRole::of_value(source, value, None))
    });
    values.collect()
}

/// Whether roles are values of attributes.
pub(super) fn has_attribute_roles(settings: &ScimSettings) -> bool {
    let sources = [RoleSource::Roles, RoleSource::Entitlements];
    sources.iter().any(|source| settings.roles_from.contains(source))
}

impl ScimConnector {
    /// Reads roles until the page is full; returns where the next one begins.
    async fn read_roles(
        &self,
        cx: &CallContext<'_>,
        options: AccountOptions<'_>,
        (mut phase, mut at): (Phase, Position),
        read: &mut RolePage,
    ) -> Result<Option<(Phase, Position)>, ConnectorError> {
        let (features, settings) = options;
        let mut calls = 0;
        loop {
            let (roles, next) = match phase {
                Phase::Announced => (announced(features, settings), None),
                Phase::Users if has_attribute_roles(settings) => {
                    calls += 1;
                    let page = self.role_holders(cx, features, (at.clone(), MAX_LIMIT), None);
                    let page = page.await?;
                    let roles =
                        page.rows.iter().flat_map(|(user, _)| attribute_roles(user, settings));
                    (roles.collect(), page.next)
                }
                Phase::Groups
                    if settings.roles_from.contains(&RoleSource::Groups)
                        && features.group.is_some() =>
                {
                    calls += 1;
                    let none = GroupFilter::default();
                    let page = self.group_page(cx, features, &none, at.clone()).await?;
                    let groups = page.rows.into_iter().filter_map(|(group, _)| {
                        let name = group_name(&group.id, group.display_name);
                        let is_role = settings.is_role_group(&group.id, &name);
                        is_role.then(|| HeldRole::of_group(&group.id, Some(name)))
                    });
                    (groups.collect(), page.next)
                }
                Phase::Users | Phase::Groups => (Vec::new(), None),
            };
            if read.add(roles).is_err() {
                return Ok(Some((phase, at)));
            }
            (phase, at) = match (next, phase) {
                (Some(next), _) => (phase, next),
                (None, Phase::Announced) => (Phase::Users, Position::default()),
                (None, Phase::Users) => (Phase::Groups, Position::default()),
                (None, Phase::Groups) => return Ok(None),
            };
            if calls >= MAX_CALLS {
                return Ok(Some((phase, at)));
            }
        }
    }

    /// Reads a page of users for their roles, of those with one role where the server can filter.
    pub(super) async fn role_holders(
        &self,
        cx: &CallContext<'_>,
        features: &ScimFeatures,
        (at, limit): (Position, u16),
        role: Option<(RoleSource, &str)>,
    ) -> Result<ResourcePage<UserResource>, ConnectorError> {
        let call = ListCall {
            method: LIST_USERS,
            endpoint: &features.user.endpoint,
            filter: role.and_then(|role| role_filter(role, features)),
            filter_max: features.filter_max,
            attributes: Some(WITHOUT_GROUPS),
            remote_query: &RemoteQuery::default(),
        };
        self.read_page(cx, &call, at, limit).await
    }

    /// Returns the role that a group is.
    async fn role_group(
        &self,
        cx: &CallContext<'_>,
        (features, settings): AccountOptions<'_>,
        id: &str,
    ) -> Result<Option<HeldRole>, ConnectorError> {
        let Some((group, _)) = self.read_group(cx, features, id).await? else { return Ok(None) };
        let name = group_name(&group.id, group.display_name);
        let is_role = settings.is_role_group(&group.id, &name);
        Ok(is_role.then(|| HeldRole::of_group(&group.id, Some(name))))
    }

    /// Returns a role that some user holds.
    async fn held_role(
        &self,
        cx: &CallContext<'_>,
        (features, settings): AccountOptions<'_>,
        (source, value): (RoleSource, &str),
    ) -> Result<Option<HeldRole>, ConnectorError> {
        let wanted = HeldRole::of_value(source, value, None).id;
        let (mut at, mut trail) = (Position::default(), PageHistory::default());
        loop {
            let page = self.role_holders(cx, features, (at, MAX_LIMIT), Some((source, value)));
            let page = page.await?;
            let mut roles = page.rows.iter().flat_map(|(user, _)| attribute_roles(user, settings));
            if let Some(found) = roles.find(|role| role.id == wanted) {
                return Ok(Some(found));
            }
            let Some(next) = page.next else { return Ok(None) };
            cx.advance(LIST_USERS, &mut trail, &encode(&next).0)?;
            at = next;
        }
    }
}
