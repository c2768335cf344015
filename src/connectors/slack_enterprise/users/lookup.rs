//! Users found by what is theirs alone, and those whom no workspace lists.

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::at::{At, PassAt, Users};
use super::plan::{Lookup, Visit};
use crate::connectors::rows::Listed;
use crate::connectors::slack_enterprise::api::Asked;
use crate::connectors::slack_enterprise::ranks::AT_ONCE;
use crate::connectors::slack_enterprise::{SlackEnterprise, wire};
use crate::connectors::{CallContext, ConnectorError, Kind, Question, Record};
use crate::domain::page::Page;
use crate::domain::user::{User, UserStatus, UserType};

const SEARCH: &str = "scim.users.list";
/// The method whose arguments a caller can add to.
const LIST: &str = "admin.users.list";
/// So many people are looked for.
const MOST_FOUND: usize = 100;

impl SlackEnterprise {
    /// Whoever SCIM finds, read in full: one call, and three at once for each. None when SCIM can't
    /// tell: it doesn't know bots, and an account may not be allowed to ask it.
    pub(super) async fn look_up(
        &self,
        cx: &CallContext<'_>,
        lookup: Lookup<'_>,
    ) -> Result<Option<Vec<Record<User>>>, ConnectorError> {
        let filter = match lookup {
            Lookup::Email(email) => format!("email eq \"{}\"", escaped(email)),
            Lookup::Username(name) => format!("userName eq \"{}\"", escaped(name)),
        };
        let query = [("filter", &*filter), ("count", &*MOST_FOUND.to_string())];
        let answer = match self.scim_list(cx, SEARCH, "v1", "Users", &query).await {
            Ok(answer) => answer,
            Err(error) if cannot_tell(error.kind) => return Ok(None),
            Err(error) => return Err(error),
        };
        let list: wire::ScimList<'_> = answer.read(cx)?;
        let rows = list.resources.map(|rows| rows.0).unwrap_or_default();
        let rows = Listed { method: SEARCH, list: "Resources", most: MOST_FOUND, rows };
        let ids: Vec<String> = rows.read(cx, |found: wire::ScimId, _| Some(found.id))?;
        if ids.is_empty() && matches!(lookup, Lookup::Username(_)) {
            return Ok(None);
        }
        self.read_each(cx, ids).await.map(Some)
    }

    /// People in no workspace, and bots: `users.list` has no row of them, or none that tells where else
    /// they are. One call, and three at once for each of them.
    pub(super) async fn outside(
        &self,
        cx: &CallContext<'_>,
        question: &Question<'_, User>,
        visit: Visit<'_>,
        at: PassAt,
    ) -> Result<Users, ConnectorError> {
        let limit = question.page.limit.to_string();
        let arguments = [
            ("is_active", if at.inactive { "false" } else { "true" }),
            // Else nobody deactivated would be in a workspace.
            ("include_deactivated_user_workspaces", "true"),
            ("limit", &limit),
            ("cursor", &*at.cursor),
        ];
        let answer = self.web(cx, LIST, &arguments).await?;
        let wants_bots = question.filter.status != Some(UserStatus::Invited)
            && question.filter.user_type.is_none_or(|kind| kind == UserType::Bot);
        let asked = Asked { cursor: &at.cursor, most: question.page.limit.into() };
        let (ids, next_cursor) = Self::admin_users(cx, &answer, asked, |user, _| {
            let is_wanted = if user.is_bot { wants_bots } else { user.workspaces.is_empty() };
            is_wanted.then_some(user.id)
        })?;
        let items = self.read_each(cx, ids).await?;
        let next = at.after(next_cursor, visit.standing);
        Ok(Page { items, next: next.map(|at| At::Outside(at).encode()) })
    }

    async fn read_each(
        &self,
        cx: &CallContext<'_>,
        ids: Vec<String>,
    ) -> Result<Vec<Record<User>>, ConnectorError> {
        let reads = ids.into_iter().map(|id| async move { self.user(cx, &id).await });
        let read: Vec<Option<Record<User>>> =
            stream::iter(reads).buffered(AT_ONCE).try_collect().await?;
        Ok(read.into_iter().flatten().collect())
    }
}

/// Whether the rest of the way is open although SCIM failed.
fn cannot_tell(kind: Kind) -> bool {
    match kind {
        Kind::NotFound | Kind::InvalidArgument | Kind::MissingScope | Kind::Forbidden => true,
        Kind::Reserved
        | Kind::Refused
        | Kind::Skipped
        | Kind::InvalidCursor
        | Kind::Conflict
        | Kind::RateLimited
        | Kind::Overloaded
        | Kind::TooManyWaiting
        | Kind::NeedsReauth
        | Kind::Trouble
        | Kind::Timeout
        | Kind::CallerStalled
        | Kind::Internal => false,
    }
}

/// A value in a filter's quotes.
fn escaped(value: &str) -> String {
    value.trim().replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_leave_its_quotes() {
        assert_eq!(escaped(r#" a" or email pr "b "#), r#"a\" or email pr \"b"#);
        assert_eq!(escaped(r#"a\" or email pr"#), r#"a\\\" or email pr"#);
    }
}
