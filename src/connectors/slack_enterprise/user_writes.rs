//! Users made, invited, changed, switched off and signed out. Accounts are SCIM's, except for
//! invitations, the end of a guest's stay in a workspace, and sessions.

use async_trait::async_trait;
use http::Method;
use time::OffsetDateTime;

use super::SlackEnterprise;
use super::api::is_id;
use super::map::seconds;
use super::memberships::guest_flags;
use super::remote_data;
use super::scim_user::{self, START_DATE};
use super::wire;
use crate::connectors::{CallContext, ConnectorError, Invitation, Kind, UserWrites};
use crate::domain::input::{Done, Field, Flaw};
use crate::domain::user::UserType;
use crate::domain::user_input::UserInput;

const CREATE: &str = "scim.users.create";
const UPDATE: &str = "scim.users.update";
const DELETE: &str = "scim.users.delete";
const INVITE: &str = "admin.users.invite";
const EXPIRE: &str = "admin.users.setExpiration";
const GET_EXPIRY: &str = "admin.users.getExpiration";
const RESET: &str = "admin.users.session.reset";
const SESSIONS: &str = "admin.users.session.list";
const READ: &str = "scim.users.get";
/// So many short names are tried for somebody who was given none.
const NAMES: usize = 5;

#[async_trait]
impl UserWrites for SlackEnterprise {
    fn flaws(&self, wish: &UserInput, new: bool) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        let unknown = wish.custom_fields.keys().filter(|name| *name != START_DATE);
        flaws.extend(unknown.map(|name| {
            let message = "Slack's SCIM has no such field; `start_date` is the one it has";
            Flaw::at(format!("/custom_fields/{name}"), message)
        }));
        if !new && !wish.external_id.is_keep() {
            flaws.push(Flaw::at("/external_id", "Slack sets it once, when the account is made"));
        }
        flaws.extend(remote_data::flaws_of_remote_data(wish, new));
        if new && wish.invite {
            flaws.extend(flaws_of_invitation(wish));
        }
        if !new && wish.kind() == Some(UserType::GuestSingleChannel) {
            let message = "is given by POST /workspaces/{id}/members, with the one channel";
            flaws.push(Flaw::at("/user_type", message));
        }
        if wish.email == Field::Clear || wish.emails == Field::Clear {
            flaws.push(Flaw::at("/email", "every account has an address"));
        }
        let phones = wish.phones.value().map(Vec::as_slice).unwrap_or_default();
        let mobile = phones.iter().filter(|phone| scim_user::is_mobile(phone)).count();
        if mobile > 1 || phones.len() - mobile > 1 {
            let message = "Slack keeps two numbers: one of type `mobile`, and one of any other";
            flaws.push(Flaw::at("/phones", message));
        }
        if wish.username == Field::Clear {
            flaws.push(Flaw::at("/username", "every account has a short name"));
        }
        flaws
    }

    async fn create(
        &self,
        cx: &CallContext<'_>,
        wish: &UserInput,
    ) -> Result<String, ConnectorError> {
        let email = wish.primary_email().unwrap_or_default();
        let mut attempt = 0;
        loop {
            let made = scim_user::username_of(email, attempt);
            let username = wish.username.value().unwrap_or(&made);
            let body = scim_user::creation(wish, username);
            let answer = self.scim(cx, CREATE, Method::POST, "Users", Some(&body)).await;
            attempt += 1;
            match answer {
                Ok(answer) => return Ok(answer.read::<wire::ScimId>(cx)?.id),
                // A clean refusal of a name that was ours to choose.
                Err(error)
                    if wish.username.is_keep()
                        && attempt < NAMES
                        && error.code.as_deref() == Some("username_taken") => {}
                Err(error) => return Err(pointed(error)),
            }
        }
    }

    async fn invite(
        &self,
        cx: &CallContext<'_>,
        invitation: Invitation<'_>,
    ) -> Result<Done, ConnectorError> {
        let Invitation { email, name, membership, expires_at } = invitation;
        let channels = membership.channel_ids.join(",");
        let expires = expires_at.map(|at| at.unix_timestamp().to_string()).unwrap_or_default();
        let mut arguments = vec![
            ("team_id", membership.workspace_id),
            ("email", email),
            ("channel_ids", &*channels),
            ("real_name", name.unwrap_or_default()),
            ("guest_expiration_ts", &*expires),
        ];
        arguments.extend(guest_flags(membership.user_type));
        self.web(cx, INVITE, &arguments).await.map(|_| Done::Done).map_err(pointed)
    }

    async fn update(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        wish: &UserInput,
    ) -> Result<Done, ConnectorError> {
        let path = user_path(cx, UPDATE, id)?;
        let bodies = scim_user::changes(wish);
        for body in &bodies {
            self.scim(cx, UPDATE, Method::PATCH, &path, Some(body)).await.map_err(pointed)?;
        }
        Ok(if bodies.is_empty() { Done::Already } else { Done::Done })
    }

    async fn set_expiry(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        workspace_id: &str,
        at: Option<OffsetDateTime>,
    ) -> Result<Done, ConnectorError> {
        let at = at.map_or(0, OffsetDateTime::unix_timestamp).to_string();
        let arguments = [("user_id", id), ("team_id", workspace_id), ("expiration_ts", &*at)];
        self.web(cx, EXPIRE, &arguments).await.map(|_| Done::Done)
    }

    async fn lift_expiry(&self, cx: &CallContext<'_>, id: &str) -> Result<Done, ConnectorError> {
        let path = user_path(cx, UPDATE, id)?;
        let body = scim_user::no_end();
        self.scim(cx, UPDATE, Method::PATCH, &path, Some(&body)).await.map(|_| Done::Done)
    }

    async fn deactivate(&self, cx: &CallContext<'_>, id: &str) -> Result<Done, ConnectorError> {
        let path = user_path(cx, DELETE, id)?;
        // Slack accepts it for an account that was deactivated before.
        let before = self.scim_get(cx, READ, &path).await;
        let before = before.and_then(|answer| answer.read::<wire::ScimActive>(cx));
        if matches!(before, Ok(wire::ScimActive { active: Some(false) })) {
            return Ok(Done::Already);
        }
        self.scim(cx, DELETE, Method::DELETE, &path, None).await.map(|_| Done::Done)
    }

    async fn expiry(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        workspace_id: &str,
    ) -> Result<Option<OffsetDateTime>, ConnectorError> {
        let arguments = [("user_id", id), ("target_team", workspace_id)];
        let answer = self.web(cx, GET_EXPIRY, &arguments).await?;
        Ok(seconds(answer.read::<wire::Expiration>(cx)?.user.expiration_ts))
    }

    async fn has_sessions(&self, cx: &CallContext<'_>, id: &str) -> Result<bool, ConnectorError> {
        let organization = &*cx.account.organization.id;
        let arguments = [("user_id", id), ("team_id", organization), ("limit", "1")];
        match self.web(cx, SESSIONS, &arguments).await {
            Ok(_) => Ok(true),
            Err(error) if error.code.as_deref() == Some("no_active_sessions") => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn end_sessions(&self, cx: &CallContext<'_>, id: &str) -> Result<Done, ConnectorError> {
        self.web(cx, RESET, &[("user_id", id)]).await.map(|_| Done::Done)
    }
}

/// The path of a user; nothing but an id goes into it.
fn user_path(
    cx: &CallContext<'_>,
    method: &'static str,
    id: &str,
) -> Result<String, ConnectorError> {
    let missing = || cx.error(method, Kind::NotFound).with_code("no_such_user");
    is_id(id).then(|| format!("Users/{id}")).ok_or_else(missing)
}

/// What an invitation can't carry: Slack takes the name, the channels and the end of the stay with it.
fn flaws_of_invitation(wish: &UserInput) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    if wish.workspaces.first().is_some_and(|first| first.channel_ids.is_empty()) {
        let message =
            "must name at least one channel: Slack invites into channels of the workspace";
        flaws.push(Flaw::at("/workspaces/0/channel_ids", message));
    }
    let rest = UserInput {
        email: Field::Keep,
        emails: Field::Keep,
        first_name: Field::Keep,
        last_name: Field::Keep,
        name: Field::Keep,
        user_type: Field::Keep,
        status: Field::Keep,
        ..wish.clone()
    };
    flaws.extend(rest.profile_fields().into_iter().map(|field| {
        let message =
            "is not carried by an invitation: PATCH the user afterwards, or leave out invite";
        Flaw::at(field, message)
    }));
    flaws
}

/// The error with the field of the request that its code is about.
fn pointed(error: ConnectorError) -> ConnectorError {
    let field = match error.code.as_deref().unwrap_or_default() {
        "username_taken" | "username_too_long" | "username_invalid" | "username_not_allowed" => {
            "/username"
        }
        "email_taken" | "bad_email_address" | "invalid_email" => "/email",
        "failed_to_validate_channels" => "/workspaces/0/channel_ids",
        "failed_to_validate_expiration" => "/expires_at",
        "invalid_name_specials" | "invalid_name_maxlength" | "invalid_name_required" => "/name",
        _ => return error,
    };
    ConnectorError { field: Some(field), ..error }
}
