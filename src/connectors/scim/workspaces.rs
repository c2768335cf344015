//! Reads workspaces: the groups that are workspaces by the account's settings.

use async_trait::async_trait;

use super::ScimConnector;
use super::features::{ScimFeatures, ScimSettings, WorkspaceSource};
use super::filters::named_group_filter;
use super::list_call::ListCall;
use super::map::{self, MemberCount};
use super::memberships::LIST_GROUPS;
use super::pages::ScimRecord;
use super::position::Position;
use super::unsupported::{NO_GROUPS, NO_WORKSPACES, unsupported};
use super::wire::GroupResource;
use crate::connectors::page_token::{decode, encode};
use crate::connectors::response::reject_reserved;
use crate::connectors::{
    CallContext, ConnectorError, ListRequest, PageToken, ReadResource, Unified,
};
use crate::domain::filter::Expansion;
use crate::domain::page::Page;
use crate::domain::workspace::Workspace;

/// Workspaces per page when each is read by its id.
const MAX_SINGLE_READS: usize = 50;
/// The parameter that leaves out members (RFC 7644 §3.4.2.5).
const WITHOUT_MEMBERS: (&str, &str) = ("excludedAttributes", "members");

type Workspaces = Page<Unified<Workspace>, PageToken>;

#[async_trait]
impl ReadResource<Workspace> for ScimConnector {
    async fn list(
        &self,
        cx: &CallContext<'_>,
        request: ListRequest<'_, Workspace>,
    ) -> Result<Workspaces, ConnectorError> {
        let settings = ScimSettings::of(cx.account);
        if request.filter.discoverability.is_some() {
            return Ok(Page { items: Vec::new(), next: None });
        }
        match &settings.workspaces_from {
            WorkspaceSource::None => Err(unsupported(cx, NO_WORKSPACES)),
            WorkspaceSource::AllGroups => {
                self.workspaces_among_groups(cx, &request, &settings, None).await
            }
            WorkspaceSource::Prefix(prefix) => {
                self.workspaces_among_groups(cx, &request, &settings, Some(prefix)).await
            }
            WorkspaceSource::Ids(ids) => {
                let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
                self.workspaces_by_id(cx, &request, &ids).await
            }
        }
    }

    async fn get(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<Option<Unified<Workspace>>, ConnectorError> {
        let (features, settings) = (ScimFeatures::of(cx.account), ScimSettings::of(cx.account));
        if settings.workspaces_from == WorkspaceSource::None {
            return Err(unsupported(cx, NO_WORKSPACES));
        }
        let group = self.read_group(cx, &features, id).await?;
        let workspace = group.map(|group| unified(group, MemberCount::Included));
        let is_one = |one: &Unified<Workspace>| settings.is_workspace(id, &one.resource.name);
        Ok(workspace.filter(is_one))
    }
}

impl ScimConnector {
    /// Returns a page of groups that are workspaces. One call.
    async fn workspaces_among_groups(
        &self,
        cx: &CallContext<'_>,
        request: &ListRequest<'_, Workspace>,
        settings: &ScimSettings,
        prefix: Option<&str>,
    ) -> Result<Workspaces, ConnectorError> {
        let features = ScimFeatures::of(cx.account);
        let group = features.group.as_ref().ok_or_else(|| unsupported(cx, NO_GROUPS))?;
        let at: Position = decode(cx, LIST_GROUPS, request.page.token.as_ref())?;
        let count = member_count(request);
        let call = ListCall {
            method: LIST_GROUPS,
            endpoint: &group.endpoint,
            filter: named_group_filter(request.filter.name.as_deref(), prefix, &features),
            filter_max: features.filter_max,
            attributes: (count == MemberCount::Omitted).then_some(WITHOUT_MEMBERS),
            remote_query: request.remote_query,
        };
        let page = self.read_groups(cx, &features, &call, (at, request.page.limit)).await?;
        let workspaces = page.rows.into_iter().map(|group| unified(group, count));
        let is_one =
            |one: &Unified<Workspace>| settings.is_workspace(&one.resource.id, &one.resource.name);
        let next = page.next.map(|next| encode(&next));
        Ok(Page { items: workspaces.filter(is_one).collect(), next })
    }

    /// Returns a page of workspaces that the settings name. One call each.
    async fn workspaces_by_id(
        &self,
        cx: &CallContext<'_>,
        request: &ListRequest<'_, Workspace>,
        ids: &[&str],
    ) -> Result<Workspaces, ConnectorError> {
        // No list is called that takes arguments.
        let names: Vec<&str> = request.remote_query.names().collect();
        reject_reserved(cx, LIST_GROUPS, request.remote_query, &names)?;
        let features = ScimFeatures::of(cx.account);
        let start: usize = decode(cx, LIST_GROUPS, request.page.token.as_ref())?;
        let count = member_count(request);
        let end = start.saturating_add(usize::from(request.page.limit).min(MAX_SINGLE_READS));
        let mut items = Vec::new();
        for id in ids.iter().skip(start).take(end - start) {
            let group = self.read_group(cx, &features, id).await?;
            items.extend(group.map(|group| unified(group, count)));
        }
        Ok(Page { items, next: (end < ids.len()).then(|| encode(&end)) })
    }
}

/// Returns whether a list has the numbers of members.
fn member_count(request: &ListRequest<'_, Workspace>) -> MemberCount {
    if request.expand.includes_any(&[Expansion::Owners, Expansion::Settings]) {
        MemberCount::Included
    } else {
        MemberCount::Omitted
    }
}

fn unified((group, remote): ScimRecord<GroupResource>, count: MemberCount) -> Unified<Workspace> {
    Unified::new(map::workspace(group, count), remote)
}
