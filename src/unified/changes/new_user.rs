//! Creation of users: create or invite, with workspaces, roles and expiry in one request, or match an existing user.

use time::{Duration, OffsetDateTime};

use super::members::PriorMembership;
use super::outcome::{ChangeResult, ChangeStep, MatchedBy, ObjectOrigin, ReadBackResult};
use super::users::membership;
use super::{Changes, reject_invalid};
use crate::connectors::{ConnectorError, ErrorKind, InvitationRequest};
use crate::domain::filter::UserFilter;
use crate::domain::patch::{Comparison, PatchField, WriteOutcome};
use crate::domain::user::{User, UserType};
use crate::domain::user_input::UserInput;
use crate::unified::{RenderOptions, UnifiedError};

/// Maximum time that a provider's clock may be behind.
const CLOCK_SKEW: Duration = Duration::minutes(2);

/// What to do when the user exists already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, utoipa::ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum OnConflict {
    /// Reject the request.
    #[default]
    Fail,
    /// Return the existing user, unchanged.
    Return,
    /// Update the existing user to the requested state.
    Update,
}

/// The account of a new user.
enum NewAccount {
    /// The account can be read.
    Visible { id: String, made: ObjectOrigin },
    /// The account was created, and the provider does not return it yet.
    NotVisible,
}

impl Changes<'_> {
    /// Creates or invites a user, with workspaces, roles and a guest's expiry. Once the account exists, a failed step
    /// stops no other step.
    ///
    /// # Errors
    ///
    /// `Invalid` before anything is sent; `Exists` for an existing user with that address and `OnConflict::Fail`; the
    /// provider's error when no account was created.
    pub async fn create_user(
        &self,
        input: UserInput,
        on_conflict: OnConflict,
        shape: &RenderOptions,
    ) -> Result<ChangeResult, UnifiedError> {
        reject_invalid(self.validate_create(&input)?)?;
        let made = if input.invite {
            self.invite(&input).await?
        } else {
            self.create_account(&input).await?
        };
        let (id, made) = match made {
            Ok(NewAccount::Visible { id, made }) => (id, made),
            Ok(NewAccount::NotVisible) => return Ok(self.not_visible(&input)),
            Err(refused) if refused.kind == ErrorKind::Conflict => {
                return self.resolve_conflict(input, refused, on_conflict, shape).await;
            }
            Err(error) => return Err(error.into()),
        };
        let mut parts = vec![ChangeStep::of("account", &id, Ok(WriteOutcome::Applied))];
        let before = if made == ObjectOrigin::Created {
            PriorMembership::NotMember
        } else {
            PriorMembership::Unknown
        };
        let invited = usize::from(input.invite);
        parts.extend(self.add_memberships_and_roles(&id, input, invited, before).await?);
        self.change_result::<User>(&id, made, parts, shape).await
    }

    /// Resolves a conflict with an existing user, matched by the e-mail address only. Any other conflict is the
    /// provider's error.
    async fn resolve_conflict(
        &self,
        input: UserInput,
        refused: ConnectorError,
        on_conflict: OnConflict,
        shape: &RenderOptions,
    ) -> Result<ChangeResult, UnifiedError> {
        let Some(found) = self.find_user(&input).await? else { return Err(refused.into()) };
        let id = found.id.clone();
        let parts = match on_conflict {
            OnConflict::Fail => {
                let error = refused.with_field("/email");
                return Err(UnifiedError::Exists { id, error });
            }
            OnConflict::Return => vec![ChangeStep::of("account", &id, Ok(WriteOutcome::Unchanged))],
            OnConflict::Update => {
                let mut parts = self.update_existing(&found, &input).await?;
                parts.extend(
                    self.add_memberships_and_roles(&id, input, 0, PriorMembership::Unknown).await?,
                );
                parts
            }
        };
        let changed = self.change_result::<User>(&id, ObjectOrigin::Existing, parts, shape).await?;
        Ok(ChangeResult { matched_by: Some(MatchedBy::Email), ..changed })
    }

    /// Creates the account only.
    async fn create_account(
        &self,
        input: &UserInput,
    ) -> Result<Result<NewAccount, ConnectorError>, UnifiedError> {
        let email = input.primary_email().unwrap_or_default();
        let writes = self.user_writes()?;
        let send = writes.create(&self.directory.cx, input);
        let started = self.audit_trail.clock.now();
        let is_by_username = writes.identifies_by_username(&self.directory.cx);
        let username = is_by_username.then(|| input.username.value().map_or(email, String::as_str));
        let seen = async {
            let found = match username {
                Some(username) => {
                    let username = Some(username.to_owned());
                    self.find_user_by(&UserFilter { username, ..UserFilter::default() }).await?
                }
                None => self.find_user(input).await?,
            };
            let Some(user) = found else { return Ok(ReadBackResult::NotApplied) };
            // A single-channel guest becomes one later, in the workspace.
            let kind = input.kind().map(|kind| match kind {
                UserType::GuestSingleChannel => UserType::GuestMultiChannel,
                UserType::Member | UserType::GuestMultiChannel | UserType::Bot => kind,
            });
            let mut account = UserInput {
                user_type: kind.map_or(PatchField::Absent, PatchField::Set),
                ..input.clone()
            };
            if username.is_some() {
                (account.email, account.emails) = (PatchField::Absent, PatchField::Absent);
            }
            Ok(match (is_older(&user, started), account.compare(&user)) {
                (Some(true), _) | (_, Comparison::Different) => ReadBackResult::NotApplied,
                (Some(false), _) | (None, Comparison::Equal) => ReadBackResult::Applied(user.id),
                (None, Comparison::Unknown) => ReadBackResult::Inconclusive,
            })
        };
        let made = self.create_step("user.created", &redacted_email(email), send, seen).await?;
        Ok(made.map(|id| NewAccount::Visible { id, made: ObjectOrigin::Created }))
    }

    /// Sends the invitation, and finds the account that it created.
    async fn invite(
        &self,
        input: &UserInput,
    ) -> Result<Result<NewAccount, ConnectorError>, UnifiedError> {
        let email = input.primary_email().unwrap_or_default();
        let Some(first) = input.workspaces.first() else {
            return Err(UnifiedError::NotFound { resource: "workspace" });
        };
        let (given, family) = input.name_parts();
        let name = [&given, &family].into_iter().filter_map(PatchField::value).cloned();
        let name = name.collect::<Vec<_>>().join(" ");
        let invitation = InvitationRequest {
            email,
            name: Some(name.as_str()).filter(|name| !name.is_empty()),
            membership: membership(input.kind(), first),
            expires_at: input.expiry(),
        };
        let send = self.user_writes()?.invite(&self.directory.cx, invitation);
        let started = self.audit_trail.clock.now();
        let seen = async {
            let found = self.find_user(input).await?;
            let is_in = |user: &User| user.workspaces.iter().any(|one| one.id == first.id);
            Ok(match found.filter(is_in).map(|user| is_older(&user, started)) {
                None => ReadBackResult::NotApplied,
                Some(Some(false)) => ReadBackResult::Applied(WriteOutcome::Applied),
                Some(Some(true) | None) => ReadBackResult::Inconclusive,
            })
        };
        if let Err(error) =
            self.create_step("user.invited", &redacted_email(email), send, seen).await?
        {
            return Ok(Err(error));
        }
        // The invitation was sent: a failed read is not a failure of it.
        Ok(Ok(match self.find_user(input).await {
            Ok(Some(user)) => {
                let existed = is_older(&user, started) == Some(true);
                let made = if existed { ObjectOrigin::Existing } else { ObjectOrigin::Created };
                NewAccount::Visible { id: user.id, made }
            }
            Ok(None) | Err(_) => NewAccount::NotVisible,
        }))
    }

    /// Returns the result of an invitation whose account the provider does not return yet: further steps are skipped.
    fn not_visible(&self, input: &UserInput) -> ChangeResult {
        let skipped = || {
            let provider = self.directory.connector.provider();
            Err(ConnectorError::new(provider, "users", ErrorKind::Skipped).with_fix(NOT_VISIBLE))
        };
        let account = ChangeStep {
            name: "account",
            id: None,
            place_id: None,
            outcome: Ok(WriteOutcome::Applied),
        };
        let workspaces = input.workspaces.iter().skip(1);
        let workspaces = workspaces.map(|one| ChangeStep::of("workspace", &one.id, skipped()));
        let roles = input.roles.iter().map(|role| ChangeStep::of("role", &role.id, skipped()));
        let parts = std::iter::once(account).chain(workspaces).chain(roles).collect();
        let object = Err(UnifiedError::NotFound { resource: "invited user yet" });
        ChangeResult {
            id: None,
            object,
            origin: ObjectOrigin::Created,
            matched_by: None,
            steps: parts,
        }
    }

    /// Updates an existing user to the requested state.
    async fn update_existing(
        &self,
        found: &User,
        input: &UserInput,
    ) -> Result<Vec<ChangeStep>, UnifiedError> {
        let change = UserInput {
            email: PatchField::Absent,
            external_id: PatchField::Absent,
            // A single-channel guest becomes one in the workspace.
            user_type: match input.kind() {
                Some(UserType::GuestSingleChannel) | None => PatchField::Absent,
                Some(kind) => PatchField::Set(kind),
            },
            workspaces: Vec::new(),
            roles: Vec::new(),
            ..input.clone()
        };
        let outcome = if change.compare(found) == Comparison::Equal {
            Ok(WriteOutcome::Unchanged)
        } else {
            self.update(&found.id, &change).await?
        };
        let mut parts = vec![ChangeStep::of("account", &found.id, outcome)];
        if input.external_id.compare(found.external_id.as_ref()) == Comparison::Different {
            let provider = self.directory.connector.provider();
            let skipped = ConnectorError::new(provider, "users", ErrorKind::Skipped);
            let skipped = skipped.with_fix(EXTERNAL_ID).with_field("/external_id");
            parts.push(ChangeStep::of("external_id", &found.id, Err(skipped)));
        }
        Ok(parts)
    }
}

/// Why further steps of an invitation were skipped.
const NOT_VISIBLE: &str = "The invitation was sent, and the provider does not return the user yet. Find the user \
    with GET /users?email= later and apply the remaining changes then.";
/// Why `external_id` was not set.
const EXTERNAL_ID: &str = "The user exists with another `external_id` or without one, and it can only be set on a \
    new account.";

/// Whether an account was created before a request began; `None` when the provider does not return the time.
fn is_older(user: &User, started: OffsetDateTime) -> Option<bool> {
    user.created_at.map(|at| at < started.saturating_sub(CLOCK_SKEW))
}

/// Returns the subject of the audit entry: the address without its personal part.
fn redacted_email(email: &str) -> String {
    email.rsplit_once('@').map_or_else(String::new, |(_, host)| format!("*@{host}"))
}
