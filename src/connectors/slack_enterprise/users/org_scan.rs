//! Scans of `admin.users.list`: one of the active users, one of the deactivated.

use super::page_token::{OrgScanPosition, ScanPosition, UserPage};
use super::plan::OrgScanPlan;
use crate::connectors::slack_enterprise::SlackConnector;
use crate::connectors::slack_enterprise::api::{PageArguments, not_found_as_none};
use crate::connectors::slack_enterprise::map::{self, RowScope};
use crate::connectors::slack_enterprise::roles::workspace_role;
use crate::connectors::{CallContext, ConnectorError, ListRequest, Unified};
use crate::domain::page::{MAX_LIMIT, Page};
use crate::domain::user::User;

const LIST: &str = "admin.users.list";

impl SlackConnector {
    /// Reads one page of the scans: one call.
    pub(super) async fn scan_organization(
        &self,
        cx: &CallContext<'_>,
        request: &ListRequest<'_, User>,
        passes: OrgScanPlan<'_>,
        at: OrgScanPosition,
    ) -> Result<UserPage, ConnectorError> {
        let limit = if passes.single_user { MAX_LIMIT } else { request.page.limit };
        let arguments = [
            ("is_active", if at.inactive { "false" } else { "true" }),
            ("only_guests", if passes.only_guests { "true" } else { "" }),
            ("team_id", passes.team.unwrap_or_default()),
            ("limit", &*limit.to_string()),
            ("cursor", &*at.cursor),
        ];
        let response = self.web_list(cx, LIST, &arguments, request.remote_query).await;
        // A workspace that does not exist has no members.
        let Some(response) = not_found_as_none(response)? else {
            return Ok(Page { items: Vec::new(), next: None });
        };
        let organization = &cx.account.organization.id;
        let asked = PageArguments { cursor: &at.cursor, max_rows: limit.into() };
        let (items, next_cursor) = Self::admin_users(cx, &response, asked, |user, remote| {
            let view = passes.team.map_or(RowScope::Organization, |team| {
                let role = workspace_role(&user, user.is_primary_owner);
                RowScope::Workspace { team, role }
            });
            let unified = map::user_from_admin_list(user, !at.inactive, view, organization);
            Some(Unified::new(unified, remote))
        })?;
        let next = at.after(next_cursor, passes.activity);
        Ok(Page { items, next: next.map(|at| ScanPosition::Organization(at).encode()) })
    }
}
