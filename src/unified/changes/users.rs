//! Changes of users: update, deactivate, and the further steps of a new user: workspaces, expiry, roles.

use time::OffsetDateTime;

use super::members::PriorMembership;
use super::outcome::{ChangeResult, ChangeStep, ObjectOrigin};
use super::{Changes, reject_invalid};
use crate::connectors::{ConnectorError, MembershipRequest, Unified, UserRemoval, UserWrites};
use crate::domain::patch::{Comparison, ValidationError, WriteOutcome};
use crate::domain::user::{User, UserStatus, UserType};
use crate::domain::user_input::{UserInput, WorkspaceMembershipInput};
use crate::unified::{RenderOptions, Resource as _, UnifiedError};

/// Whether deactivating a user also ends the sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignOut {
    /// The provider ends the sessions by its own rules.
    Later,
    /// Immediately.
    Now,
}

impl Changes<'_> {
    /// Changes the profile, the kind of member, a guest's expiry, and the status.
    ///
    /// # Errors
    ///
    /// `Invalid` before anything is sent, or the provider's error of the first step. A failure of a later step is in
    /// the steps.
    pub async fn update_user(
        &self,
        id: &str,
        input: &UserInput,
        shape: &RenderOptions,
    ) -> Result<ChangeResult, UnifiedError> {
        let parts = self.update_user_steps(id, input).await?;
        match &*parts {
            [] => {
                // No step was run that would have to be reported without the user.
                let object = Ok(self.directory.get::<User>(id, shape).await?);
                let id = Some(id.to_owned());
                Ok(ChangeResult {
                    id,
                    object,
                    origin: ObjectOrigin::Existing,
                    matched_by: None,
                    steps: parts,
                })
            }
            [ChangeStep { outcome: Err(error), .. }] => Err(error.without_source().into()),
            [..] => self.change_result::<User>(id, ObjectOrigin::Existing, parts, shape).await,
        }
    }

    /// Changes a user as [`Self::update_user`], without reading the user afterwards.
    pub(super) async fn update_user_steps(
        &self,
        id: &str,
        input: &UserInput,
    ) -> Result<Vec<ChangeStep>, UnifiedError> {
        reject_invalid(self.validate_update(input)?)?;
        let guest = self.guest_with_moved_expiry(id, input).await?;
        let mut parts = Vec::new();
        if !input.profile_fields().is_empty() {
            parts.push(ChangeStep::of("account", id, Ok(self.update(id, input).await??)));
        }
        if let Some(guest) = guest {
            parts.extend(self.move_expiry(&guest, input.expiry()).await?);
        }
        Ok(parts)
    }

    /// Returns the guest whose expiry is changed by a separate step, read before anything is sent.
    async fn guest_with_moved_expiry(
        &self,
        id: &str,
        input: &UserInput,
    ) -> Result<Option<User>, UnifiedError> {
        let comes_with_kind = match input.kind() {
            // A member has no expiry.
            Some(UserType::Member) => true,
            Some(UserType::GuestMultiChannel) => input.expires_at.value().is_some(),
            Some(UserType::GuestSingleChannel | UserType::Bot) | None => false,
        };
        if input.expires_at.is_absent() || comes_with_kind {
            return Ok(None);
        }
        let user = self.read::<User>(id).await?;
        let user = user.ok_or(UnifiedError::NotFound { resource: "user" })?;
        match user.user_type {
            UserType::GuestMultiChannel | UserType::GuestSingleChannel => Ok(Some(user)),
            // A user who becomes a guest now has no expiry yet.
            UserType::Member | UserType::Bot if input.kind().is_some() => Ok(None),
            UserType::Member | UserType::Bot => {
                let error = ValidationError::at("/expires_at", "is only allowed for guests");
                Err(UnifiedError::Invalid(vec![error]))
            }
        }
    }

    async fn move_expiry(
        &self,
        guest: &User,
        end: Option<OffsetDateTime>,
    ) -> Result<Vec<ChangeStep>, UnifiedError> {
        if end.is_none() && guest.user_type == UserType::GuestMultiChannel {
            return Ok(vec![self.clear_expiry(&guest.id).await?]);
        }
        let mut parts = Vec::new();
        for workspace in &guest.workspaces {
            parts.push(self.set_expiry(&guest.id, &workspace.id, end).await?);
        }
        Ok(parts)
    }

    /// Deactivates a user in the whole organization, or deletes the user where the account's settings say so.
    ///
    /// # Errors
    ///
    /// `Unsupported` before anything is sent, or the provider's error of the deactivation. A failure to end the
    /// sessions is in the steps.
    pub async fn deactivate(
        &self,
        id: &str,
        sign_out: SignOut,
        shape: &RenderOptions,
    ) -> Result<ChangeResult, UnifiedError> {
        let writer = self.user_writes()?;
        let cx = &self.directory.cx;
        if sign_out == SignOut::Now {
            writer.check_sessions(cx)?;
        }
        if writer.removal(cx) == UserRemoval::Deletion {
            return self.delete_user(id, shape).await;
        }
        let off = self.deactivate_account(id).await?;
        let mut parts = vec![ChangeStep::of("account", id, Ok(off))];
        if sign_out == SignOut::Now {
            let state = async { Ok(Comparison::of_equality(!writer.has_sessions(cx, id).await?)) };
            let ended = self.update_step("user.signed_out", id, writer.end_sessions(cx, id), state);
            parts.push(ChangeStep::of("sessions", id, ended.await?));
        }
        self.change_result::<User>(id, ObjectOrigin::Existing, parts, shape).await
    }

    /// Deactivates the account of a user, or deletes it where the account's settings say so, without reading the user
    /// afterwards.
    pub(super) async fn end_account(&self, id: &str) -> Result<WriteOutcome, UnifiedError> {
        let writer = self.user_writes()?;
        if writer.removal(&self.directory.cx) == UserRemoval::Deletion {
            return self.delete_account(id).await;
        }
        self.deactivate_account(id).await
    }

    async fn deactivate_account(&self, id: &str) -> Result<WriteOutcome, UnifiedError> {
        let state = self.compare(id, |user: &User| {
            Comparison::of_equality(user.status == UserStatus::Inactive)
        });
        let send = self.user_writes()?.deactivate(&self.directory.cx, id);
        Ok(self.update_step("user.deactivated", id, send, state).await??)
    }

    async fn delete_account(&self, id: &str) -> Result<WriteOutcome, UnifiedError> {
        let send = self.user_writes()?.deactivate(&self.directory.cx, id);
        let state = async { Ok(Comparison::of_equality(self.read::<User>(id).await?.is_none())) };
        Ok(self.update_step("user.deleted", id, send, state).await??)
    }

    /// Deletes a user. The object of the result is the user as it was, with the status `deleted`.
    async fn delete_user(
        &self,
        id: &str,
        shape: &RenderOptions,
    ) -> Result<ChangeResult, UnifiedError> {
        let missing = || UnifiedError::NotFound { resource: User::SINGULAR };
        let reader = User::reader(self.directory.connector).ok_or_else(missing)?;
        let user = reader.get(&self.directory.cx, id).await?.ok_or_else(missing)?;
        let gone = self.delete_account(id).await?;
        let Unified { resource, remote } = user;
        let deleted = User { status: UserStatus::Deleted, ..*resource };
        let object = self.directory.render_one(Unified::new(deleted, remote), shape).await;
        Ok(ChangeResult {
            id: Some(id.to_owned()),
            object: object.ok_or_else(missing),
            origin: ObjectOrigin::Existing,
            matched_by: None,
            steps: vec![ChangeStep::of("account", id, Ok(gone))],
        })
    }

    pub(super) async fn update(
        &self,
        id: &str,
        input: &UserInput,
    ) -> Result<Result<WriteOutcome, ConnectorError>, UnifiedError> {
        let send = self.user_writes()?.update(&self.directory.cx, id, input);
        let state = self.compare(id, |user: &User| input.compare(user));
        self.update_step("user.updated", id, send, state).await
    }

    /// Adds workspaces except the first `invited`, the expiry and roles: each is a step.
    pub(super) async fn add_memberships_and_roles(
        &self,
        id: &str,
        input: UserInput,
        invited: usize,
        before: PriorMembership,
    ) -> Result<Vec<ChangeStep>, UnifiedError> {
        let mut parts = Vec::new();
        for workspace in input.workspaces.iter().skip(invited) {
            let joined =
                self.add_membership(id, membership(input.kind(), workspace), before).await?;
            let is_there = joined.is_ok();
            parts.push(ChangeStep::of("workspace", &workspace.id, joined));
            if let (true, Some(end)) = (is_there, input.expiry()) {
                parts.push(self.set_expiry(id, &workspace.id, Some(end)).await?);
            }
        }
        if !input.roles.is_empty() {
            parts.extend(self.assign_role_steps(id, input.roles).await?);
        }
        Ok(parts)
    }

    async fn set_expiry(
        &self,
        id: &str,
        workspace_id: &str,
        end: Option<OffsetDateTime>,
    ) -> Result<ChangeStep, UnifiedError> {
        let (writer, cx) = (self.user_writes()?, &self.directory.cx);
        let send = writer.set_expiry(cx, id, workspace_id, end);
        let state = async {
            let is = writer.expiry(cx, id, workspace_id).await?;
            let seconds = |at: Option<OffsetDateTime>| at.map(OffsetDateTime::unix_timestamp);
            Ok(Comparison::of_equality(seconds(is) == seconds(end)))
        };
        let subject = format!("{id}@{workspace_id}");
        let outcome = self.update_step("user.expiry_set", &subject, send, state).await?;
        Ok(ChangeStep::of("expiry", workspace_id, outcome))
    }

    /// Removes a guest's expiry.
    async fn clear_expiry(&self, id: &str) -> Result<ChangeStep, UnifiedError> {
        let send = self.user_writes()?.clear_expiry(&self.directory.cx, id);
        let state =
            self.compare(id, |user: &User| Comparison::of_equality(user.expires_at.is_none()));
        let outcome = self.update_step("user.expiry_set", id, send, state).await?;
        Ok(ChangeStep::of("expiry", id, outcome))
    }

    pub(super) fn user_writes(&self) -> Result<&dyn UserWrites, UnifiedError> {
        let writer = self.directory.connector.user_writes();
        writer.ok_or_else(|| self.unsupported("changes of users"))
    }

    pub(super) fn validate_create(
        &self,
        input: &UserInput,
    ) -> Result<Vec<ValidationError>, UnifiedError> {
        let rejected = self.user_writes()?.validate(&self.directory.cx, input, true);
        let supported = input.without_rejected(&rejected);
        let mut errors = supported.validate_create(self.audit_trail.clock.now());
        errors.extend(rejected);
        errors.extend(self.validate_roles(&input.roles)?);
        Ok(errors)
    }

    pub(super) fn validate_update(
        &self,
        input: &UserInput,
    ) -> Result<Vec<ValidationError>, UnifiedError> {
        let rejected = self.user_writes()?.validate(&self.directory.cx, input, false);
        let supported = input.without_rejected(&rejected);
        let mut errors = supported.validate_update(self.audit_trail.clock.now());
        errors.extend(rejected);
        Ok(errors)
    }
}

pub(super) fn membership(
    kind: Option<UserType>,
    workspace: &WorkspaceMembershipInput,
) -> MembershipRequest<'_> {
    MembershipRequest {
        workspace_id: &workspace.id,
        user_type: kind.unwrap_or(UserType::Member),
        channel_ids: &workspace.channel_ids,
    }
}
