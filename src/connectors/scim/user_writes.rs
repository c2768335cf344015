//! Changes users: create, update, deactivate or delete. SCIM has no invitations, guests, expiry or sessions.

use async_trait::async_trait;
use http::Method;
use serde_json::Value;
use time::OffsetDateTime;

use super::ScimConnector;
use super::attribute::{AttributePath, Resource};
use super::attribute_change::AttributeChange;
use super::created_id::created_id;
use super::features::{DeleteUser, ScimFeatures, ScimSettings};
use super::remote_data::OPERATIONS;
use super::resource_writes::{ChangePlan, USERS, WriteTarget};
use super::unsupported::{NO_ACTIVE, NO_EXPIRY, NO_INVITATIONS, NO_SESSIONS, unsupported};
use super::user_bodies::{create_body, user_changes};
use super::user_emails::emails;
use super::user_schema::can_write;
use super::user_validation::validate_user;
use crate::connectors::{
    CallContext, ConnectorError, ErrorKind, InvitationRequest, UserRemoval, UserWrites,
};
use crate::domain::patch::{ValidationError, WriteOutcome};
use crate::domain::user_input::UserInput;

#[async_trait]
impl UserWrites for ScimConnector {
    fn validate(&self, cx: &CallContext<'_>, input: &UserInput, new: bool) -> Vec<ValidationError> {
        let features = ScimFeatures::of(cx.account);
        validate_user(input, new, &features, &ScimSettings::of(cx.account))
    }

    fn removal(&self, cx: &CallContext<'_>) -> UserRemoval {
        match ScimSettings::of(cx.account).delete_user {
            DeleteUser::Deactivate => UserRemoval::Deactivation,
            DeleteUser::Delete => UserRemoval::Deletion,
        }
    }

    fn identifies_by_username(&self, cx: &CallContext<'_>) -> bool {
        !can_write(&ScimFeatures::of(cx.account), &emails())
    }

    fn check_sessions(&self, cx: &CallContext<'_>) -> Result<(), ConnectorError> {
        Err(unsupported(cx, NO_SESSIONS))
    }

    async fn create(
        &self,
        cx: &CallContext<'_>,
        input: &UserInput,
    ) -> Result<String, ConnectorError> {
        let features = ScimFeatures::of(cx.account);
        let body = create_body(input, &features);
        let segments = [&*features.user.endpoint];
        let sent = self.send(cx, USERS.post, Method::POST, &segments, Some(&body), None);
        let response = sent.await.map_err(|error| with_pointer(error, input))?;
        created_id(cx, USERS.post, response)
    }

    async fn invite(
        &self,
        cx: &CallContext<'_>,
        _: InvitationRequest<'_>,
    ) -> Result<WriteOutcome, ConnectorError> {
        Err(unsupported(cx, NO_INVITATIONS))
    }

    async fn update(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        input: &UserInput,
    ) -> Result<WriteOutcome, ConnectorError> {
        let features = ScimFeatures::of(cx.account);
        let operations = input.remote_data.get(OPERATIONS).and_then(Value::as_array);
        let plan = |current: &Resource| ChangePlan {
            changes: user_changes(input, current, &features),
            operations: operations.cloned().unwrap_or_default(),
        };
        let target = WriteTarget::user(&features, id);
        let changed = self.change_resource(cx, target, target.first_form(), &plan).await;
        Ok(changed.map_err(|error| with_pointer(error, input))?.outcome)
    }

    async fn set_expiry(
        &self,
        cx: &CallContext<'_>,
        _: &str,
        _: &str,
        _: Option<OffsetDateTime>,
    ) -> Result<WriteOutcome, ConnectorError> {
        Err(unsupported(cx, NO_EXPIRY))
    }

    async fn clear_expiry(
        &self,
        cx: &CallContext<'_>,
        _: &str,
    ) -> Result<WriteOutcome, ConnectorError> {
        Err(unsupported(cx, NO_EXPIRY))
    }

    async fn deactivate(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<WriteOutcome, ConnectorError> {
        let features = ScimFeatures::of(cx.account);
        let target = WriteTarget::user(&features, id);
        if self.removal(cx) == UserRemoval::Deletion {
            return self.delete_resource(cx, target).await;
        }
        let active = AttributePath::core("active");
        if !can_write(&features, &active) {
            return Err(unsupported(cx, NO_ACTIVE));
        }
        let plan = |_: &Resource| ChangePlan {
            changes: vec![AttributeChange::whole(active.clone(), Some(false.into()))],
            operations: Vec::new(),
        };
        Ok(self.change_resource(cx, target, target.first_form(), &plan).await?.outcome)
    }

    async fn expiry(
        &self,
        cx: &CallContext<'_>,
        _: &str,
        _: &str,
    ) -> Result<Option<OffsetDateTime>, ConnectorError> {
        Err(unsupported(cx, NO_EXPIRY))
    }

    async fn has_sessions(&self, cx: &CallContext<'_>, _: &str) -> Result<bool, ConnectorError> {
        Err(unsupported(cx, NO_SESSIONS))
    }

    async fn end_sessions(
        &self,
        cx: &CallContext<'_>,
        _: &str,
    ) -> Result<WriteOutcome, ConnectorError> {
        Err(unsupported(cx, NO_SESSIONS))
    }
}

/// Adds the field of the request that a conflict is about: a user with the address is found by it afterwards.
fn with_pointer(error: ConnectorError, input: &UserInput) -> ConnectorError {
    if error.kind == ErrorKind::Conflict && input.username.value().is_some() {
        return error.with_field("/username");
    }
    error
}
