//! Write capabilities of a provider: one trait per resource, each with single steps. `unified` combines several steps
//! in one request.
//!
//! A write returns `Ok` when the provider confirmed it, [`ErrorKind::Timeout`] or [`ErrorKind::ProviderError`] when it
//! may have been applied. [`WriteOutcome::Unchanged`] means that the requested state was there before. Where a provider
//! only rejects a change because of the present state, the error is passed on, and `unified` reads the state.
//!
//! [`ErrorKind::Timeout`]: super::ErrorKind::Timeout
//! [`ErrorKind::ProviderError`]: super::ErrorKind::ProviderError

use async_trait::async_trait;
use time::OffsetDateTime;

use super::{CallContext, ConnectorError};
use crate::domain::group::GroupInput;
use crate::domain::patch::{ValidationError, WriteOutcome};
use crate::domain::user::UserType;
use crate::domain::user_input::UserInput;
use crate::domain::workspace_input::{WorkspaceInput, WorkspaceSettingInput};

/// An invitation by e-mail into a workspace.
#[derive(Debug, Clone, Copy)]
pub struct InvitationRequest<'a> {
    /// The e-mail address.
    pub email: &'a str,
    /// The full name, if known.
    pub name: Option<&'a str>,
    /// The workspace, and the kind of member.
    pub membership: MembershipRequest<'a>,
    /// When a guest's access ends.
    pub expires_at: Option<OffsetDateTime>,
}

/// What removing a user from a directory does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserRemoval {
    /// The user is deactivated, and can be reactivated.
    Deactivation,
    /// The user is deleted permanently.
    Deletion,
}

/// Creates, updates, invites and deactivates users.
#[async_trait]
pub trait UserWrites: Send + Sync {
    /// Returns the provider's validation errors of a request; `new` when it creates a user.
    fn validate(&self, cx: &CallContext<'_>, input: &UserInput, new: bool) -> Vec<ValidationError>;

    /// Returns what [`Self::deactivate`] does for this account.
    fn removal(&self, cx: &CallContext<'_>) -> UserRemoval {
        let _ = cx;
        UserRemoval::Deactivation
    }

    /// Whether users have no e-mail addresses for this account. The username is then the address, if none is requested,
    /// and identifies a new user.
    fn identifies_by_username(&self, cx: &CallContext<'_>) -> bool {
        let _ = cx;
        false
    }

    /// Checks whether the provider has sessions of users, before anything is sent.
    ///
    /// # Errors
    ///
    /// `Unsupported`, with the alternative.
    fn check_sessions(&self, cx: &CallContext<'_>) -> Result<(), ConnectorError> {
        let _ = cx;
        Ok(())
    }

    /// Creates an account without workspaces. Returns its id.
    async fn create(
        &self,
        cx: &CallContext<'_>,
        input: &UserInput,
    ) -> Result<String, ConnectorError>;

    /// Invites a user by e-mail. The provider returns no id. A user who was invited before is a conflict.
    async fn invite(
        &self,
        cx: &CallContext<'_>,
        invitation: InvitationRequest<'_>,
    ) -> Result<WriteOutcome, ConnectorError>;

    /// Updates the profile, the kind of member and the status.
    async fn update(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        input: &UserInput,
    ) -> Result<WriteOutcome, ConnectorError>;

    /// Sets the expiry of a guest's access to a workspace; `None` for no expiry.
    async fn set_expiry(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        workspace_id: &str,
        at: Option<OffsetDateTime>,
    ) -> Result<WriteOutcome, ConnectorError>;

    /// Removes the expiry of a multi-channel guest in all workspaces.
    async fn clear_expiry(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<WriteOutcome, ConnectorError>;

    /// Deactivates a user in the whole organization; [`WriteOutcome::Unchanged`] when the user was inactive. The
    /// account remains and can be reactivated, unless [`Self::removal`] is [`UserRemoval::Deletion`].
    async fn deactivate(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<WriteOutcome, ConnectorError>;

    /// Returns the expiry of a guest's access to a workspace; `None` for no expiry.
    async fn expiry(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        workspace_id: &str,
    ) -> Result<Option<OffsetDateTime>, ConnectorError>;

    /// Returns whether a user has a session.
    async fn has_sessions(&self, cx: &CallContext<'_>, id: &str) -> Result<bool, ConnectorError>;

    /// Ends all sessions of a user.
    async fn end_sessions(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<WriteOutcome, ConnectorError>;
}

/// A membership of a workspace.
#[derive(Debug, Clone, Copy)]
pub struct MembershipRequest<'a> {
    /// The workspace.
    pub workspace_id: &'a str,
    /// The kind of member.
    pub user_type: UserType,
    /// A guest's channels.
    pub channel_ids: &'a [String],
}

/// Adds and removes members of workspaces.
#[async_trait]
pub trait MembershipWrites: Send + Sync {
    /// Checks whether the account has workspaces, before anything is sent.
    ///
    /// # Errors
    ///
    /// `Unsupported`, with the alternative.
    fn check_workspaces(&self, cx: &CallContext<'_>) -> Result<(), ConnectorError> {
        let _ = cx;
        Ok(())
    }

    /// Adds a user to a workspace. An existing member is a conflict.
    async fn add(
        &self,
        cx: &CallContext<'_>,
        user_id: &str,
        membership: MembershipRequest<'_>,
    ) -> Result<WriteOutcome, ConnectorError>;

    /// Removes a user from a workspace. A user who is not a member is a conflict, or not found.
    async fn remove(
        &self,
        cx: &CallContext<'_>,
        user_id: &str,
        workspace_id: &str,
    ) -> Result<WriteOutcome, ConnectorError>;
}

/// A role of a user in an organization, workspace or channel.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoleGrant {
    /// The role.
    pub role_id: String,
    /// The user.
    pub user_id: String,
    /// The organization, workspace or channel.
    pub place_id: String,
}

/// The field of an error about the place of a role.
pub const PLACE_FIELD: &str = "/workspace_id";

/// Assigns and removes roles.
#[async_trait]
pub trait AssignmentWrites: Send + Sync {
    /// Checks whether a role can be assigned in a place, before anything is sent.
    ///
    /// # Errors
    ///
    /// `NotAssignable`, with the fix, and the field [`PLACE_FIELD`] if the place is the reason.
    fn check_assignable(
        &self,
        cx: &CallContext<'_>,
        holding: &RoleGrant,
    ) -> Result<(), ConnectorError>;

    /// Assigns roles, in the provider's batches. Returns one outcome for each, in order: [`WriteOutcome::Unchanged`]
    /// for a role that was held.
    async fn assign(
        &self,
        cx: &CallContext<'_>,
        holdings: &[RoleGrant],
    ) -> Vec<Result<WriteOutcome, ConnectorError>>;

    /// Removes roles. Returns one outcome for each, in order: [`WriteOutcome::Unchanged`] for a role that was not held.
    async fn remove(
        &self,
        cx: &CallContext<'_>,
        holdings: &[RoleGrant],
    ) -> Vec<Result<WriteOutcome, ConnectorError>>;
}

/// Creates workspaces and changes their settings.
#[async_trait]
pub trait WorkspaceWrites: Send + Sync {
    /// Creates a workspace with its name, domain, description and discoverability. Returns its id.
    async fn create(
        &self,
        cx: &CallContext<'_>,
        input: &WorkspaceInput,
    ) -> Result<String, ConnectorError>;

    /// Changes one setting.
    async fn update_setting(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        setting: WorkspaceSettingInput<'_>,
    ) -> Result<WriteOutcome, ConnectorError>;
}

/// Creates, updates, links and deletes groups.
#[async_trait]
pub trait GroupWrites: Send + Sync {
    /// Returns the provider's validation errors of a request to create or change a group.
    fn validate(&self, cx: &CallContext<'_>, input: &GroupInput) -> Vec<ValidationError> {
        let _ = (cx, input);
        Vec::new()
    }

    /// Creates a group with its members. Returns its id.
    async fn create(
        &self,
        cx: &CallContext<'_>,
        input: &GroupInput,
    ) -> Result<String, ConnectorError>;

    /// Updates the name and the members.
    async fn update(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        input: &GroupInput,
    ) -> Result<WriteOutcome, ConnectorError>;

    /// Links a group to workspaces, so that its members are added to them.
    async fn link_workspaces(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        workspace_ids: &[String],
    ) -> Result<WriteOutcome, ConnectorError>;

    /// Deletes a group permanently.
    async fn delete(&self, cx: &CallContext<'_>, id: &str) -> Result<WriteOutcome, ConnectorError>;
}
