//! The passes of `admin.users.list`: one for the active accounts, one for the deactivated.

use super::at::{At, PassAt, Users};
use super::plan::Passes;
use crate::connectors::slack_enterprise::SlackEnterprise;
use crate::connectors::slack_enterprise::api::{Asked, found};
use crate::connectors::slack_enterprise::map::{self, View};
use crate::connectors::slack_enterprise::roles::workspace_role;
use crate::connectors::{CallContext, ConnectorError, Question, Record};
use crate::domain::page::{MAX_LIMIT, Page};
use crate::domain::user::User;

const LIST: &str = "admin.users.list";

impl SlackEnterprise {
    /// One page of the passes: one call.
    pub(super) async fn pass(
        &self,
        cx: &CallContext<'_>,
        question: &Question<'_, User>,
        passes: Passes<'_>,
        at: PassAt,
    ) -> Result<Users, ConnectorError> {
        let limit = if passes.seeks_one { MAX_LIMIT } else { question.page.limit };
        let arguments = [
            ("is_active", if at.inactive { "false" } else { "true" }),
            ("only_guests", if passes.only_guests { "true" } else { "" }),
            ("team_id", passes.team.unwrap_or_default()),
            ("limit", &*limit.to_string()),
            ("cursor", &*at.cursor),
        ];
        let answer = self.web_list(cx, LIST, &arguments, question.remote_query).await;
        // A workspace that isn't there has no members.
        let Some(answer) = found(answer)? else {
            return Ok(Page { items: Vec::new(), next: None });
        };
        let organization = &cx.account.organization.id;
        let asked = Asked { cursor: &at.cursor, most: limit.into() };
        let (items, next_cursor) = Self::admin_users(cx, &answer, asked, |user, remote| {
            let view = passes.team.map_or(View::Organization, |team| {
                let role = workspace_role(&user, user.is_primary_owner);
                View::Workspace { team, role }
            });
            let unified = map::listed_user(user, !at.inactive, view, organization);
            Some(Record::new(unified, remote))
        })?;
        let next = at.after(next_cursor, passes.standing);
        Ok(Page { items, next: next.map(|at| At::Pass(at).encode()) })
    }
}
