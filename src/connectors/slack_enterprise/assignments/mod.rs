//! Reads role assignments: three families in one list. First the levels of the organization, then those of each
//! workspace, then the system roles; each assignment is listed once. A filter reads only the families that can match,
//! and a filter by user reads that user only.

mod for_user;
mod levels;
mod role_families;
mod system;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use self::role_families::{AssignmentQuery, RoleFamily};
use super::SlackConnector;
use super::api::reject_reserved;
use super::workspace_scan::WorkspaceScan;
use crate::connectors::page_token::{decode, encode};
use crate::connectors::{
    CallContext, ConnectorError, ListRequest, PageToken, ReadResource, Unified,
};
use crate::domain::assignment::RoleAssignment;
use crate::domain::filter::{Filter as _, RemoteQuery};
use crate::domain::page::Page;

const RESOURCE: &str = "role-assignments";

type Assignments = Page<Unified<RoleAssignment>, PageToken>;

/// The start of a page. An empty cursor is the first page.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "in", rename_all = "snake_case")]
enum AssignmentPosition {
    /// Among the levels of the organization.
    Organization { cursor: String },
    /// Among the members of the workspaces; `None` is the start.
    Workspaces {
        /// The scan; `None` is its start.
        #[serde(rename = "walk")]
        scan: Option<WorkspaceScan>,
    },
    /// Among the system roles.
    System { cursor: String },
    /// Among the assignments of one user, after this one.
    User { after: String },
}

impl AssignmentPosition {
    /// Returns the start of a family.
    fn start(family: RoleFamily) -> Self {
        let cursor = String::new();
        match family {
            RoleFamily::Organization => Self::Organization { cursor },
            RoleFamily::Workspaces => Self::Workspaces { scan: None },
            RoleFamily::System => Self::System { cursor },
        }
    }
}

#[async_trait]
impl ReadResource<RoleAssignment> for SlackConnector {
    async fn list(
        &self,
        cx: &CallContext<'_>,
        request: ListRequest<'_, RoleAssignment>,
    ) -> Result<Assignments, ConnectorError> {
        let organization = &cx.account.organization.id;
        let narrow = AssignmentQuery::from_filter(request.filter);
        if !narrow.includes(RoleFamily::System, organization) {
            // Only the list of system roles takes arguments of the caller.
            let names: Vec<&str> = request.remote_query.names().collect();
            reject_reserved(cx, RESOURCE, request.remote_query, &names)?;
        }
        let at: Option<AssignmentPosition> = decode(cx, RESOURCE, request.page.token.as_ref())?;
        if let Some(user) = &request.filter.user_id {
            return self.page_of_user(cx, &request, user, narrow, at).await;
        }
        let first = || narrow.next(None, organization).map(AssignmentPosition::start);
        let Some(at) = at.or_else(first) else { return Ok(Page { items: Vec::new(), next: None }) };
        let limit = request.page.limit;
        match at {
            AssignmentPosition::Organization { cursor } => {
                self.organization_levels(cx, narrow, &cursor, limit).await
            }
            AssignmentPosition::Workspaces { scan } => {
                self.workspace_levels(cx, narrow, scan, limit).await
            }
            AssignmentPosition::System { cursor } => {
                self.system_roles(cx, narrow, &cursor, limit, request.remote_query).await
            }
            // A cursor is bound to its filter, and this filter has no user.
            AssignmentPosition::User { .. } => Ok(Page { items: Vec::new(), next: None }),
        }
    }

    async fn get(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<Option<Unified<RoleAssignment>>, ConnectorError> {
        let mut parts = id.split('.');
        let (Some(role), Some(user), Some(entity), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Ok(None);
        };
        let narrow = AssignmentQuery { role_id: Some(role), entity_id: Some(entity) };
        let held = self.user_assignments(cx, user, narrow, &RemoteQuery::default()).await?;
        Ok(held.into_iter().find(|record| record.resource.id == id))
    }
}

impl SlackConnector {
    /// Returns a page of one user's assignments. All are read for each page; there is seldom more than one page.
    async fn page_of_user(
        &self,
        cx: &CallContext<'_>,
        request: &ListRequest<'_, RoleAssignment>,
        user: &str,
        narrow: AssignmentQuery<'_>,
        at: Option<AssignmentPosition>,
    ) -> Result<Assignments, ConnectorError> {
        let after = match at {
            Some(AssignmentPosition::User { after }) => after,
            Some(
                AssignmentPosition::Organization { .. }
                | AssignmentPosition::Workspaces { .. }
                | AssignmentPosition::System { .. },
            )
            | None => String::new(),
        };
        let mut items = self.user_assignments(cx, user, narrow, request.remote_query).await?;
        items.retain(|held| held.resource.id > after && request.filter.matches(&held.resource));
        let is_longer = items.len() > request.page.limit.into();
        items.truncate(request.page.limit.into());
        let last = items.last().filter(|_| is_longer).map(|held| held.resource.id.clone());
        Ok(Page { items, next: last.map(|after| encode(&AssignmentPosition::User { after })) })
    }
}
