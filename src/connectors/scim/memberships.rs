//! The groups that are roles or workspaces by the account's settings, with their members: for servers whose users do
//! not have their groups.

use std::collections::{BTreeSet, HashMap};

use super::ScimConnector;
use super::features::{RoleSource, ScimFeatures, ScimSettings, WorkspaceSource};
use super::filters::group_filter;
use super::list_call::ListCall;
use super::map::{group_name, people};
use super::pages::{ResourcePage, ScimRecord};
use super::position::{OmittedParameters, Position};
use super::unsupported::{NO_GROUPS, unsupported};
use super::wire::{GroupMember, GroupResource, UserResource};
use crate::connectors::page_token::encode;
use crate::connectors::paging::PageHistory;
use crate::connectors::{CallContext, ConnectorError, ErrorKind};
use crate::domain::filter::{GroupFilter, RemoteQuery};
use crate::domain::user::ResourceRef;

/// The call that lists groups.
pub(super) const LIST_GROUPS: &str = "scim.groups.list";
/// The call that reads a group.
pub(super) const GET_GROUP: &str = "scim.groups.get";
/// Groups per page: each may have thousands of members.
pub(super) const GROUPS_PER_PAGE: u16 = 200;

/// What a server announced, and the settings of its account.
pub(super) type AccountOptions<'a> = (&'a ScimFeatures, &'a ScimSettings);

/// Groups that are roles or workspaces, by member.
#[derive(Debug, Default)]
pub(super) struct Memberships(HashMap<String, Vec<ResourceRef>>);

impl Memberships {
    /// Returns the groups of a user.
    pub(super) fn of(&self, user_id: &str) -> &[ResourceRef] {
        self.0.get(user_id).map(Vec::as_slice).unwrap_or_default()
    }

    fn add(&mut self, group: &GroupResource, user_id: Option<&str>) {
        let name = group_name(&group.id, group.display_name.clone());
        for member in people(&group.members).filter(|id| user_id.is_none_or(|user| user == *id)) {
            let group = ResourceRef { id: group.id.clone(), name: Some(name.clone()) };
            let groups = self.0.entry(member.to_owned()).or_default();
            if !groups.iter().any(|known| known.id == group.id) {
                groups.push(group);
            }
        }
    }
}

/// The ids of the groups that the settings name, if they name all of them.
fn named_groups(settings: &ScimSettings) -> Option<BTreeSet<&str>> {
    let mut named = BTreeSet::new();
    if settings.roles_from.contains(&RoleSource::Groups) {
        let is_listed = settings.role_group_prefix.is_none() && !settings.role_group_ids.is_empty();
        named.extend(is_listed.then_some(&settings.role_group_ids)?.iter().map(String::as_str));
    }
    match &settings.workspaces_from {
        WorkspaceSource::None => {}
        WorkspaceSource::AllGroups | WorkspaceSource::Prefix(_) => return None,
        WorkspaceSource::Ids(ids) => named.extend(ids.iter().map(String::as_str)),
    }
    Some(named)
}

/// Whether the settings make groups roles or workspaces.
fn uses_groups(settings: &ScimSettings) -> bool {
    settings.roles_from.contains(&RoleSource::Groups)
        || settings.workspaces_from != WorkspaceSource::None
}

/// Whether the names of groups decide about roles or workspaces.
fn uses_names(settings: &ScimSettings) -> bool {
    let is_by_prefix = matches!(settings.workspaces_from, WorkspaceSource::Prefix(_));
    is_by_prefix || settings.role_group_prefix.is_some()
}

/// Whether a user's row does not tell which of its groups are roles or workspaces.
fn lacks_groups(user: &UserResource, settings: &ScimSettings) -> bool {
    let is_unnamed = |group: &GroupMember| group.display.is_none();
    match &user.groups {
        None => true,
        Some(groups) => uses_names(settings) && groups.iter().any(is_unnamed),
    }
}

/// Whether a list does not exist.
pub(super) fn is_missing(error: &ConnectorError) -> bool {
    error.kind == ErrorKind::NotFound
        || matches!(error.code.as_deref(), Some("http_405" | "http_501"))
}

impl ScimConnector {
    /// Returns the memberships that users' rows do not tell, in groups that are roles or workspaces.
    pub(super) async fn missing_memberships(
        &self,
        cx: &CallContext<'_>,
        options: AccountOptions<'_>,
        users: &[ScimRecord<UserResource>],
    ) -> Result<Memberships, ConnectorError> {
        let (features, settings) = options;
        let is_needed = uses_groups(settings)
            && features.group.is_some()
            && users.iter().any(|(user, _)| lacks_groups(user, settings));
        let read = match users {
            _ if !is_needed => return Ok(Memberships::default()),
            [(user, _)] => self.memberships(cx, options, Some(&user.id)).await,
            _ => self.memberships(cx, options, None).await,
        };
        match read {
            // The server has no groups.
            Err(error) if error.kind == ErrorKind::Unsupported => Ok(Memberships::default()),
            read => read,
        }
    }

    /// Reads the groups that are roles or workspaces, with all members or with one.
    pub(super) async fn memberships(
        &self,
        cx: &CallContext<'_>,
        options: AccountOptions<'_>,
        user_id: Option<&str>,
    ) -> Result<Memberships, ConnectorError> {
        let (features, settings) = options;
        let mut memberships = Memberships::default();
        let mut cx = *cx;
        cx.include_remote = false;
        if let Some(ids) = named_groups(settings) {
            for id in ids {
                let group = self.read_group(&cx, features, id).await?;
                if let Some((group, _)) = group {
                    memberships.add(&group, user_id);
                }
            }
            return Ok(memberships);
        }
        let filter = GroupFilter { name: None, user_id: user_id.map(str::to_owned) };
        let (mut at, mut trail) = (Position::default(), PageHistory::default());
        loop {
            let page = self.group_page(&cx, features, &filter, at).await?;
            for (group, _) in &page.rows {
                let name = group_name(&group.id, group.display_name.clone());
                if settings.is_role_group(&group.id, &name)
                    || settings.is_workspace(&group.id, &name)
                {
                    memberships.add(group, user_id);
                }
            }
            let Some(next) = page.next else { return Ok(memberships) };
            cx.advance(LIST_GROUPS, &mut trail, &encode(&next).0)?;
            at = next;
        }
    }

    /// Reads a page of groups with their members.
    pub(super) async fn group_page(
        &self,
        cx: &CallContext<'_>,
        features: &ScimFeatures,
        filter: &GroupFilter,
        at: Position,
    ) -> Result<ResourcePage<GroupResource>, ConnectorError> {
        let remote_query = RemoteQuery::default();
        self.find_groups(cx, features, (filter, &remote_query), at, GROUPS_PER_PAGE).await
    }

    /// Reads a page of at most `limit` groups that a filter matches, and perhaps of others. Where the server finds no
    /// group of a user, all groups are read: it may not know the filter, or compare the ids of another type.
    pub(super) async fn find_groups(
        &self,
        cx: &CallContext<'_>,
        features: &ScimFeatures,
        (filter, remote_query): (&GroupFilter, &RemoteQuery),
        at: Position,
        limit: u16,
    ) -> Result<ResourcePage<GroupResource>, ConnectorError> {
        let group = features.group.as_ref().ok_or_else(|| unsupported(cx, NO_GROUPS))?;
        let call = ListCall {
            method: LIST_GROUPS,
            endpoint: &group.endpoint,
            filter: group_filter(filter, features),
            filter_max: features.filter_max,
            attributes: None,
            remote_query,
        };
        let page = self.read_groups(cx, features, &call, (at.clone(), limit)).await?;
        let is_by_member = filter.user_id.is_some() && call.filter.is_some();
        let is_none = page.rows.is_empty() && page.next.is_none();
        if !is_by_member || !is_none || !at.is_start() {
            return Ok(page);
        }
        let omitted = at.omitted.with(OmittedParameters::FILTER);
        self.read_groups(cx, features, &call, (Position { omitted, ..at }, limit)).await
    }

    /// Reads a page of a list of groups. A server that announced no groups, and has no list of them, has none.
    pub(super) async fn read_groups(
        &self,
        cx: &CallContext<'_>,
        features: &ScimFeatures,
        call: &ListCall<'_>,
        (at, limit): (Position, u16),
    ) -> Result<ResourcePage<GroupResource>, ConnectorError> {
        let may_be_missing = !features.has_announced_groups && at.is_start();
        let page = self.read_page(cx, call, at, limit).await;
        page.map_err(|error| {
            if may_be_missing && is_missing(&error) { unsupported(cx, NO_GROUPS) } else { error }
        })
    }

    /// Reads a group; `None` when there is none.
    pub(super) async fn read_group(
        &self,
        cx: &CallContext<'_>,
        features: &ScimFeatures,
        id: &str,
    ) -> Result<Option<ScimRecord<GroupResource>>, ConnectorError> {
        let group = features.group.as_ref().ok_or_else(|| unsupported(cx, NO_GROUPS))?;
        self.read_resource(cx, GET_GROUP, &group.endpoint, id).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn groups_are_read_one_by_one_when_the_settings_name_all_of_them() {
        let settings = |json| serde_json::from_value::<ScimSettings>(json).unwrap();
        for (json, expected) in [
            (json!({}), Some(vec![])),
            (json!({"workspaces_from": "all_groups"}), None),
            (json!({"workspaces_from": {"prefix": "a"}}), None),
            (json!({"workspaces_from": {"ids": ["w"]}}), Some(vec!["w"])),
            (json!({"roles_from": ["groups"]}), None),
            (json!({"roles_from": ["groups"], "role_group_ids": ["r"]}), Some(vec!["r"])),
            (
                json!({"roles_from": ["groups"], "role_group_ids": ["r"],
                    "workspaces_from": {"ids": ["w"]}}),
                Some(vec!["r", "w"]),
            ),
            (
                json!({"roles_from": ["groups"], "role_group_ids": ["r"],
                    "role_group_prefix": "a"}),
                None,
            ),
        ] {
            let settings = settings(json.clone());
            let named = named_groups(&settings).map(|ids| ids.into_iter().collect::<Vec<_>>());
            assert_eq!(named, expected, "{json}");
        }
    }

    #[test]
    fn a_row_without_names_does_not_tell_what_a_prefix_asks_for() {
        let user = |json| serde_json::from_value::<UserResource>(json).unwrap();
        let by_id = ScimSettings::default();
        let workspaces_from = WorkspaceSource::Prefix("ws-".to_owned());
        let by_name = ScimSettings { workspaces_from, ..ScimSettings::default() };
        for (row, lacks) in [
            (json!({"id": "1"}), [true, true]),
            (json!({"id": "1", "groups": []}), [false, false]),
            (json!({"id": "1", "groups": [{"value": "g", "display": "ws-a"}]}), [false, false]),
            (json!({"id": "1", "groups": ["g"]}), [false, true]),
        ] {
            let row = user(row);
            assert_eq!([lacks_groups(&row, &by_id), lacks_groups(&row, &by_name)], lacks);
        }
    }
}
