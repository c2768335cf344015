//! Role assignments: three families in one list, one after the other. First the levels of the
//! organization, then those of each workspace, then the system roles; each assignment stands once. A
//! filter asks only the families that can have what is wanted, and one user is asked about alone.

mod families;
mod held;
mod levels;
mod system;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use self::families::{Family, Narrow};
use super::SlackEnterprise;
use super::api::refuse_reserved;
use super::walk::Walk;
use crate::connectors::position::{encode, position};
use crate::connectors::{CallContext, ConnectorError, Position, Question, Reads, Record};
use crate::domain::assignment::RoleAssignment;
use crate::domain::filter::{Filter as _, RemoteQuery};
use crate::domain::page::Page;

const LIST: &str = "role-assignments";

type Assignments = Page<Record<RoleAssignment>, Position>;

/// Where a page begins. An empty cursor is a start.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "in", rename_all = "snake_case")]
enum At {
    /// Among the levels of the organization.
    Organization { cursor: String },
    /// Among the members of the workspaces; no walk is its start.
    Workspaces { walk: Option<Walk> },
    /// Among the system roles.
    System { cursor: String },
    /// Among what one user holds, behind this assignment.
    User { after: String },
}

impl At {
    /// The start of a family.
    fn start(family: Family) -> Self {
        let cursor = String::new();
        match family {
            Family::Organization => Self::Organization { cursor },
            Family::Workspaces => Self::Workspaces { walk: None },
            Family::System => Self::System { cursor },
        }
    }
}

#[async_trait]
impl Reads<RoleAssignment> for SlackEnterprise {
    async fn list(
        &self,
        cx: &CallContext<'_>,
        question: Question<'_, RoleAssignment>,
    ) -> Result<Assignments, ConnectorError> {
        let organization = &cx.account.organization.id;
        let narrow = Narrow::of(question.filter);
        if !narrow.includes(Family::System, organization) {
            // Only system roles have a list whose arguments a caller can add to.
            let names: Vec<&str> = question.remote_query.names().collect();
            refuse_reserved(cx, LIST, question.remote_query, &names)?;
        }
        let at: Option<At> = position(cx, LIST, question.page.position.as_ref())?;
        if let Some(user) = &question.filter.user_id {
            return self.page_of_user(cx, &question, user, narrow, at).await;
        }
        let first = || narrow.next(None, organization).map(At::start);
        let Some(at) = at.or_else(first) else { return Ok(Page { items: Vec::new(), next: None }) };
        let limit = question.page.limit;
        match at {
            At::Organization { cursor } => {
                self.organization_levels(cx, narrow, &cursor, limit).await
            }
            At::Workspaces { walk } => self.workspace_levels(cx, narrow, walk, limit).await,
            At::System { cursor } => {
                self.system_roles(cx, narrow, &cursor, limit, question.remote_query).await
            }
            // A cursor is bound to its filter, and this one names no user.
            At::User { .. } => Ok(Page { items: Vec::new(), next: None }),
        }
    }

    async fn get(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<Option<Record<RoleAssignment>>, ConnectorError> {
        let mut parts = id.split('.');
        let (Some(role), Some(user), Some(entity), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Ok(None);
        };
        let narrow = Narrow { role: Some(role), entity: Some(entity) };
        let held = self.held_by(cx, user, narrow, &RemoteQuery::default()).await?;
        Ok(held.into_iter().find(|record| record.unified.id == id))
    }
}

impl SlackEnterprise {
    /// A page of what one user holds. The whole is read for each page, and is seldom longer than one.
    async fn page_of_user(
        &self,
        cx: &CallContext<'_>,
        question: &Question<'_, RoleAssignment>,
        user: &str,
        narrow: Narrow<'_>,
        at: Option<At>,
    ) -> Result<Assignments, ConnectorError> {
        let after = match at {
            Some(At::User { after }) => after,
            Some(At::Organization { .. } | At::Workspaces { .. } | At::System { .. }) | None => {
                String::new()
            }
        };
        let mut items = self.held_by(cx, user, narrow, question.remote_query).await?;
        items.retain(|held| held.unified.id > after && question.filter.admits(&held.unified));
        let is_longer = items.len() > question.page.limit.into();
        items.truncate(question.page.limit.into());
        let last = items.last().filter(|_| is_longer).map(|held| held.unified.id.clone());
        Ok(Page { items, next: last.map(|after| encode(&At::User { after })) })
    }
}
