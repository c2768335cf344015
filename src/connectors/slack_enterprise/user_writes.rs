//! Changes users: create, invite, update, deactivate, end sessions. By SCIM, except for invitations, a guest's expiry
//! in a workspace, and sessions.

use async_trait::async_trait;
use http::Method;
use time::OffsetDateTime;

use super::SlackConnector;
use super::api::is_id;
use super::map::seconds;
use super::memberships::guest_flags;
use super::remote_data;
use super::scim_user_bodies::{self, START_DATE};
use super::wire;
use crate::connectors::{CallContext, ConnectorError, ErrorKind, InvitationRequest, UserWrites};
use crate::domain::patch::{PatchField, ValidationError, WriteOutcome};
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
/// Maximum number of usernames to try for a new user without one.
const MAX_USERNAME_ATTEMPTS: usize = 5;

#[async_trait]
impl UserWrites for SlackConnector {
    fn validate(&self, _: &CallContext<'_>, input: &UserInput, new: bool) -> Vec<ValidationError> {
        let mut errors = Vec::new();
        let unknown = input.custom_fields.keys().filter(|name| *name != START_DATE);
        errors.extend(unknown.map(|name| {
            let message = "is not a field of Slack's SCIM; only `start_date` is supported";
            ValidationError::at(format!("/custom_fields/{name}"), message)
        }));
        if !new && !input.external_id.is_absent() {
            errors.push(ValidationError::at("/external_id", "can only be set on a new account"));
        }
        errors.extend(remote_data::validate_remote_data(input, new));
        if new && input.invite {
            errors.extend(validate_invitation(input));
        }
        if !new && input.kind() == Some(UserType::GuestSingleChannel) {
            let message = "is set by POST /workspaces/{id}/members, with the one channel";
            errors.push(ValidationError::at("/user_type", message));
        }
        if input.email == PatchField::Clear || input.emails == PatchField::Clear {
            errors.push(ValidationError::at(
                "/email",
                "can't be cleared: every account has an address",
            ));
        }
        let phones = input.phones.value().map(Vec::as_slice).unwrap_or_default();
        let mobile = phones.iter().filter(|phone| scim_user_bodies::is_mobile(phone)).count();
        if mobile > 1 || phones.len() - mobile > 1 {
            let message = "must have at most one number of type `mobile` and one of another type";
            errors.push(ValidationError::at("/phones", message));
        }
        if input.username == PatchField::Clear {
            errors.push(ValidationError::at(
                "/username",
                "can't be cleared: every account has a username",
            ));
        }
        errors
    }

    async fn create(
        &self,
        cx: &CallContext<'_>,
        input: &UserInput,
    ) -> Result<String, ConnectorError> {
        let email = input.primary_email().unwrap_or_default();
        let mut attempt = 0;
        loop {
            let made = scim_user_bodies::username_from_email(email, attempt);
            let username = input.username.value().unwrap_or(&made);
            let body = scim_user_bodies::create_body(input, username);
            let response = self.scim(cx, CREATE, Method::POST, "Users", Some(&body)).await;
            attempt += 1;
            match response {
                Ok(response) => return Ok(response.read::<wire::ScimId>(cx)?.id),
                // A rejected username that was derived here: try the next one.
                Err(error)
                    if input.username.is_absent()
                        && attempt < MAX_USERNAME_ATTEMPTS
                        && error.code.as_deref() == Some("username_taken") => {}
                Err(error) => return Err(with_pointer(error)),
            }
        }
    }

    async fn invite(
        &self,
        cx: &CallContext<'_>,
        invitation: InvitationRequest<'_>,
    ) -> Result<WriteOutcome, ConnectorError> {
        let InvitationRequest { email, name, membership, expires_at } = invitation;
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
        self.web(cx, INVITE, &arguments).await.map(|_| WriteOutcome::Applied).map_err(with_pointer)
    }

    async fn update(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        input: &UserInput,
    ) -> Result<WriteOutcome, ConnectorError> {
        let path = user_path(cx, UPDATE, id)?;
        let bodies = scim_user_bodies::update_bodies(input);
        for body in &bodies {
            self.scim(cx, UPDATE, Method::PATCH, &path, Some(body)).await.map_err(with_pointer)?;
        }
        Ok(if bodies.is_empty() { WriteOutcome::Unchanged } else { WriteOutcome::Applied })
    }

    async fn set_expiry(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        workspace_id: &str,
        at: Option<OffsetDateTime>,
    ) -> Result<WriteOutcome, ConnectorError> {
        let at = at.map_or(0, OffsetDateTime::unix_timestamp).to_string();
        let arguments = [("user_id", id), ("team_id", workspace_id), ("expiration_ts", &*at)];
        self.web(cx, EXPIRE, &arguments).await.map(|_| WriteOutcome::Applied)
    }

    async fn clear_expiry(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<WriteOutcome, ConnectorError> {
        let path = user_path(cx, UPDATE, id)?;
        let body = scim_user_bodies::clear_expiration_body();
        self.scim(cx, UPDATE, Method::PATCH, &path, Some(&body))
            .await
            .map(|_| WriteOutcome::Applied)
    }

    async fn deactivate(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<WriteOutcome, ConnectorError> {
        let path = user_path(cx, DELETE, id)?;
        // Slack accepts the call for an account that was deactivated before.
        let before = self.scim_get(cx, READ, &path).await;
        let before = before.and_then(|response| response.read::<wire::ScimActive>(cx));
        if matches!(before, Ok(wire::ScimActive { active: Some(false) })) {
            return Ok(WriteOutcome::Unchanged);
        }
        self.scim(cx, DELETE, Method::DELETE, &path, None).await.map(|_| WriteOutcome::Applied)
    }

    async fn expiry(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        workspace_id: &str,
    ) -> Result<Option<OffsetDateTime>, ConnectorError> {
        let arguments = [("user_id", id), ("target_team", workspace_id)];
        let response = self.web(cx, GET_EXPIRY, &arguments).await?;
        Ok(seconds(response.read::<wire::Expiration>(cx)?.user.expiration_ts))
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

    async fn end_sessions(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<WriteOutcome, ConnectorError> {
        self.web(cx, RESET, &[("user_id", id)]).await.map(|_| WriteOutcome::Applied)
    }
}

/// Returns the SCIM path of a user; fails for a text that is not an id.
fn user_path(
    cx: &CallContext<'_>,
    method: &'static str,
    id: &str,
) -> Result<String, ConnectorError> {
    let missing = || cx.error(method, ErrorKind::NotFound).with_code("no_such_user");
    is_id(id).then(|| format!("Users/{id}")).ok_or_else(missing)
}

/// Returns errors for fields that an invitation does not support: it has the name, the channels and the expiry.
fn validate_invitation(input: &UserInput) -> Vec<ValidationError> {
    let mut errors = Vec::new();
    if input.workspaces.first().is_some_and(|first| first.channel_ids.is_empty()) {
        let message =
            "must have at least one channel: Slack invites into channels of the workspace";
        errors.push(ValidationError::at("/workspaces/0/channel_ids", message));
    }
    let rest = UserInput {
        email: PatchField::Absent,
        emails: PatchField::Absent,
        first_name: PatchField::Absent,
        last_name: PatchField::Absent,
        name: PatchField::Absent,
        user_type: PatchField::Absent,
        status: PatchField::Absent,
        ..input.clone()
    };
    errors.extend(rest.profile_fields().into_iter().map(|field| {
        let message =
            "is not supported by an invitation: PATCH the user afterwards, or omit `invite`";
        ValidationError::at(field, message)
    }));
    errors
}

/// Adds the field of the request that the error's code is about.
fn with_pointer(error: ConnectorError) -> ConnectorError {
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
