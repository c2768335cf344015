//! Lookup of users by a unique attribute, and the list of users without a workspace.

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::page_token::{OrgScanPosition, ScanPosition, UserPage};
use super::plan::{Lookup, WorkspaceScanPlan};
use crate::connectors::rows::ResponseRows;
use crate::connectors::slack_enterprise::api::PageArguments;
use crate::connectors::slack_enterprise::workspace_admins::MAX_CONCURRENT_CALLS;
use crate::connectors::slack_enterprise::{SlackConnector, wire};
use crate::connectors::{CallContext, ConnectorError, ErrorKind, ListRequest, Unified};
use crate::domain::page::Page;
use crate::domain::user::{User, UserStatus, UserType};

const SEARCH: &str = "scim.users.list";
/// The method that takes arguments of the caller.
const LIST: &str = "admin.users.list";
/// Maximum number of users found.
const MAX_RESULTS: usize = 100;

impl SlackConnector {
    /// Finds users by SCIM and reads them in full: one call, and three concurrent ones for each. `None` when SCIM can't
    /// decide: it has no bots, and the account may lack its scope.
    pub(super) async fn look_up(
        &self,
        cx: &CallContext<'_>,
        lookup: Lookup<'_>,
    ) -> Result<Option<Vec<Unified<User>>>, ConnectorError> {
        let filter = match lookup {
            Lookup::Email(email) => format!("email eq \"{}\"", escaped(email)),
            Lookup::Username(name) => format!("userName eq \"{}\"", escaped(name)),
        };
        let query = [("filter", &*filter), ("count", &*MAX_RESULTS.to_string())];
        let response = match self.scim_list(cx, SEARCH, "v1", "Users", &query).await {
            Ok(response) => response,
            Err(error) if allows_scan(error.kind) => return Ok(None),
            Err(error) => return Err(error),
        };
        let list: wire::SlackScimList<'_> = response.read(cx)?;
        let rows = list.resources.map(|rows| rows.0).unwrap_or_default();
        let rows = ResponseRows { method: SEARCH, list: "Resources", max_rows: MAX_RESULTS, rows };
        let ids: Vec<String> = rows.read(cx, |found: wire::ScimId, _| Some(found.id))?;
        if ids.is_empty() && matches!(lookup, Lookup::Username(_)) {
            return Ok(None);
        }
        self.read_each(cx, ids).await.map(Some)
    }

    /// Reads a page of users without a workspace, and of bots: `users.list` does not list them, or not with all of
    /// their workspaces. One call, and three concurrent ones for each of them.
    pub(super) async fn users_without_workspace(
        &self,
        cx: &CallContext<'_>,
        request: &ListRequest<'_, User>,
        visit: WorkspaceScanPlan<'_>,
        at: OrgScanPosition,
    ) -> Result<UserPage, ConnectorError> {
        let limit = request.page.limit.to_string();
        let arguments = [
            ("is_active", if at.inactive { "false" } else { "true" }),
            // Otherwise deactivated users would have no workspaces.
            ("include_deactivated_user_workspaces", "true"),
            ("limit", &limit),
            ("cursor", &*at.cursor),
        ];
        let response = self.web(cx, LIST, &arguments).await?;
        let wants_bots = request.filter.status != Some(UserStatus::Invited)
            && request.filter.user_type.is_none_or(|kind| kind == UserType::Bot);
        let asked = PageArguments { cursor: &at.cursor, max_rows: request.page.limit.into() };
        let (ids, next_cursor) = Self::admin_users(cx, &response, asked, |user, _| {
            let is_wanted = if user.is_bot { wants_bots } else { user.workspaces.is_empty() };
            is_wanted.then_some(user.id)
        })?;
        let items = self.read_each(cx, ids).await?;
        let next = at.after(next_cursor, visit.activity);
        Ok(Page { items, next: next.map(|at| ScanPosition::NoWorkspace(at).encode()) })
    }

    async fn read_each(
        &self,
        cx: &CallContext<'_>,
        ids: Vec<String>,
    ) -> Result<Vec<Unified<User>>, ConnectorError> {
        let reads = ids.into_iter().map(|id| async move { self.user(cx, &id, true).await });
        let read: Vec<Option<Unified<User>>> =
            stream::iter(reads).buffered(MAX_CONCURRENT_CALLS).try_collect().await?;
        Ok(read.into_iter().flatten().collect())
    }
}

/// Whether the list can be scanned although SCIM failed.
fn allows_scan(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::NotFound
        | ErrorKind::InvalidArgument
        | ErrorKind::MissingScope
        | ErrorKind::Forbidden => true,
        ErrorKind::ReservedArgument
        | ErrorKind::NotAssignable
        | ErrorKind::Unsupported
        | ErrorKind::Skipped
        | ErrorKind::InvalidCursor
        | ErrorKind::Conflict
        | ErrorKind::RateLimited
        | ErrorKind::Overloaded
        | ErrorKind::TooManyWaiting
        | ErrorKind::NeedsReauth
        | ErrorKind::ProviderError
        | ErrorKind::Timeout
        | ErrorKind::CallerStalled
        | ErrorKind::Internal => false,
    }
}

/// Escapes a value for a quoted string of a SCIM filter.
fn escaped(value: &str) -> String {
    value.trim().replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_filter_values() {
        assert_eq!(escaped(r#" a" or email pr "b "#), r#"a\" or email pr \"b"#);
        assert_eq!(escaped(r#"a\" or email pr"#), r#"a\\\" or email pr"#);
    }
}
