//! Users. A page of a list is one call (`admin.users.list`); one user is three at once: `users.info`,
//! SCIM for the profile, `admin.roles.listAssignments` for the system roles.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::api::row;
use super::{SlackEnterprise, map, wire};
use crate::connectors::{CallContext, ConnectorError, Kind, Position, Reads, Record};
use crate::domain::page::{Page, PageRequest};
use crate::domain::user::{User, UserRole};

const LIST: &str = "admin.users.list";

/// Where a page begins. Slack lists active and deactivated people apart, so that everybody is two
/// passes.
#[derive(Debug, Default, Serialize, Deserialize)]
struct At {
    /// In the second pass: the deactivated.
    #[serde(default)]
    inactive: bool,
    /// Slack's cursor; empty at a pass's start.
    #[serde(default)]
    cursor: String,
}

#[async_trait]
impl Reads<User> for SlackEnterprise {
    async fn list(
        &self,
        cx: &CallContext<'_>,
        page: PageRequest<Position>,
    ) -> Result<Page<Record<User>, Position>, ConnectorError> {
        let at: At = position(cx, LIST, page.position.as_ref())?;
        let limit = page.limit.to_string();
        let is_active = if at.inactive { "false" } else { "true" };
        let arguments = [("is_active", is_active), ("limit", &limit), ("cursor", &at.cursor)];
        let answer = self.web(cx, LIST, &arguments).await?;
        let list: wire::AdminUsersList<'_> = answer.read(cx)?;
        let organization = &cx.account.organization.id;
        let items = list
            .users
            .iter()
            .map(|raw| {
                let (user, remote) = row(cx, LIST, raw)?;
                let unified = map::listed_user(user, !at.inactive, organization);
                Ok(Record { unified, remote })
            })
            .collect::<Result<_, ConnectorError>>()?;
        let cursor = list.response_metadata.next_cursor;
        let next = match (cursor.is_empty(), at.inactive) {
            (false, inactive) => Some(At { inactive, cursor }),
            (true, false) => Some(At { inactive: true, cursor }),
            (true, true) => None,
        };
        Ok(Page { items, next: next.map(|next| encode(&next)) })
    }

    async fn get(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<Option<Record<User>>, ConnectorError> {
        if !is_id(id) {
            return Ok(None);
        }
        let arguments = [("user", id), ("include_locale", "true")];
        let path = format!("Users/{id}");
        let info = self.web(cx, "users.info", &arguments);
        let scim = self.scim_get(cx, "scim.users.get", &path);
        let (info, scim, held) = tokio::join!(info, scim, self.system_roles_of(cx, id));
        let Some(info) = found(info)? else { return Ok(None) };
        let wire::UsersInfo { user } = info.read(cx)?;
        let (user, _) = row::<wire::WebUser>(cx, "users.info", user)?;
        let mut user = map::informed_user(user, &cx.account.organization.id);
        // Bots are not in SCIM, and a grant without the scope `admin` still reads the rest.
        let scim = optional(scim)?;
        if let Some(scim) = &scim {
            map::add_scim(&mut user, scim.read(cx)?);
        }
        user.roles.extend(optional(held)?.into_iter().flatten());
        let remote = cx.wants_remote.then(|| {
            serde_json::json!({
                "users.info": info.remote(),
                "scim.users.get": scim.map(|scim| scim.remote()),
            })
        });
        Ok(Some(Record { unified: user, remote }))
    }
}

impl SlackEnterprise {
    async fn system_roles_of(
        &self,
        cx: &CallContext<'_>,
        user_id: &str,
    ) -> Result<Vec<UserRole>, ConnectorError> {
        let organization = &cx.account.organization.id;
        let rows = self.all_system_assignments(cx, &[], |row| row.user_id == user_id).await?;
        let roles = rows.into_iter().map(|row| {
            let held = map::system_assignment(row, organization);
            UserRole {
                id: held.role_id,
                name: held.role_name,
                scope: held.scope,
                workspace_id: held.workspace_id,
                organization: Some(organization.clone()),
            }
        });
        Ok(roles.collect())
    }
}

/// Whether a text can be an id of Slack at all: nothing else goes into a path.
pub(super) fn is_id(id: &str) -> bool {
    (2..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// "Not found" as `None`.
pub(super) fn found<T>(result: Result<T, ConnectorError>) -> Result<Option<T>, ConnectorError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What the rest can do without: "not found" and "not allowed" as `None`.
fn optional<T>(result: Result<T, ConnectorError>) -> Result<Option<T>, ConnectorError> {
    match result {
        Err(error) if matches!(error.kind, Kind::MissingScope | Kind::Forbidden) => Ok(None),
        other => found(other),
    }
}

/// Reads a position of ours; no position is the start.
pub(super) fn position<T: Default + for<'de> Deserialize<'de>>(
    cx: &CallContext<'_>,
    method: &'static str,
    position: Option<&Position>,
) -> Result<T, ConnectorError> {
    match position {
        None => Ok(T::default()),
        Some(Position(text)) => {
            serde_json::from_str(text).map_err(|_| cx.error(method, Kind::InvalidCursor))
        }
    }
}

/// Writes a position of ours.
pub(super) fn encode(at: &impl Serialize) -> Position {
    Position(serde_json::to_string(at).unwrap_or_default())
}
