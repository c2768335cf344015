//! Changes of role assignments: assign, remove.

use super::outcome::{ChangeResult, ChangeStep, ObjectOrigin, resolve_by_state};
use super::{Changes, reject_invalid};
use crate::connectors::{AssignmentWrites, ConnectorError, ErrorKind, PLACE_FIELD, RoleGrant};
use crate::domain::assignment::{self, RoleAssignment, split_assignment_id};
use crate::domain::patch::{Comparison, ValidationError, WriteOutcome};
use crate::domain::user::User;
use crate::domain::user_input::{RoleInput, contradicting_roles};
use crate::store::AuditOutcome;
use crate::unified::{RenderOptions, UnifiedError};

const GRANTED: &str = "role_assignment.granted";
const REVOKED: &str = "role_assignment.revoked";

impl Changes<'_> {
    /// Returns the grant of a role to a user: in a channel, in a workspace, or otherwise in the organization.
    fn role_grant(&self, user_id: &str, role: RoleInput) -> RoleGrant {
        let RoleInput { id: role_id, workspace_id, channel_id } = role;
        let organization = || self.directory.cx.account.organization.id.to_string();
        let place_id = channel_id.or(workspace_id).unwrap_or_else(organization);
        RoleGrant { role_id, user_id: user_id.to_owned(), place_id }
    }

    /// Assigns a role.
    ///
    /// # Errors
    ///
    /// `Invalid` for a role in two places; `NotAssignable` before anything is sent; `Unsupported`, or the provider's
    /// error.
    pub async fn assign_role(
        &self,
        user_id: &str,
        role: RoleInput,
        shape: &RenderOptions,
    ) -> Result<ChangeResult, UnifiedError> {
        let (holding, outcome) = self.grant(user_id, role).await?;
        let id = assignment_id(&holding);
        let parts = role_steps(vec![holding], vec![Ok(outcome)]);
        let made = if outcome == WriteOutcome::Applied {
            ObjectOrigin::Created
        } else {
            ObjectOrigin::Existing
        };
        self.change_result::<RoleAssignment>(&id, made, parts, shape).await
    }

    /// Assigns a role as [`Self::assign_role`], without reading the assignment afterwards.
    pub(super) async fn grant(
        &self,
        user_id: &str,
        role: RoleInput,
    ) -> Result<(RoleGrant, WriteOutcome), UnifiedError> {
        if role.workspace_id.is_some() && role.channel_id.is_some() {
            let errors = ValidationError::conflict("/workspace_id", "/channel_id");
            return Err(UnifiedError::Invalid(errors.into()));
        }
        let has_channel = role.channel_id.is_some();
        let holding = self.role_grant(user_id, role);
        self.assignment_writes()?.check_assignable(&self.directory.cx, &holding).map_err(
            |error| {
                let field = place_pointer(&error, has_channel).unwrap_or("/role_id");
                error.with_field(field)
            },
        )?;
        let outcomes = self.assign_roles(std::slice::from_ref(&holding)).await?;
        let outcome = self.only_outcome(outcomes)?;
        Ok((holding, outcome))
    }

    /// Removes a role by the id of its assignment; `Unchanged` when it was not held.
    ///
    /// # Errors
    ///
    /// `NotFound` when `id` is not an id of an assignment, or the provider's error.
    pub async fn remove_role(&self, id: &str) -> Result<WriteOutcome, UnifiedError> {
        let Some([role_id, user_id, place_id]) = split_assignment_id(id) else {
            return Err(UnifiedError::NotFound { resource: "role assignment" });
        };
        let outcomes = self.remove_roles(&[RoleGrant { role_id, user_id, place_id }]).await?;
        self.only_outcome(outcomes)
    }

    /// Assigns several roles to a user, each in a step, and reads the user.
    ///
    /// # Errors
    ///
    /// Only what stops all of them: `Invalid` for roles that contradict each other, `Unsupported`, `Store` when the
    /// audit log can't be written; and why the user can't be read, when all of them failed.
    pub async fn assign_user_roles(
        &self,
        user_id: &str,
        roles: Vec<RoleInput>,
        shape: &RenderOptions,
    ) -> Result<ChangeResult, UnifiedError> {
        reject_invalid(contradicting_roles(&roles))?;
        let parts = self.assign_role_steps(user_id, roles).await?;
        self.change_result::<User>(user_id, ObjectOrigin::Existing, parts, shape).await
    }

    /// Removes several roles from a user, each in a step, and reads the user.
    ///
    /// # Errors
    ///
    /// As [`Self::assign_user_roles`].
    pub async fn remove_user_roles(
        &self,
        user_id: &str,
        roles: Vec<RoleInput>,
        shape: &RenderOptions,
    ) -> Result<ChangeResult, UnifiedError> {
        let holdings = self.role_grants(user_id, roles);
        let outcomes = self.remove_roles(&holdings).await?;
        let parts = role_steps(holdings, outcomes);
        self.change_result::<User>(user_id, ObjectOrigin::Existing, parts, shape).await
    }

    /// Assigns several roles to a user, each in a step.
    pub(super) async fn assign_role_steps(
        &self,
        user_id: &str,
        roles: Vec<RoleInput>,
    ) -> Result<Vec<ChangeStep>, UnifiedError> {
        let holdings = self.role_grants(user_id, roles);
        let outcomes = self.assign_roles(&holdings).await?;
        Ok(role_steps(holdings, outcomes))
    }

    /// Returns errors for roles that can't be assigned, before anything is sent.
    pub(super) fn validate_roles(
        &self,
        roles: &[RoleInput],
    ) -> Result<Vec<ValidationError>, UnifiedError> {
        if roles.is_empty() {
            return Ok(Vec::new());
        }
        let writer = self.assignment_writes()?;
        let refused = roles.iter().enumerate().filter_map(|(number, role)| {
            let checked =
                writer.check_assignable(&self.directory.cx, &self.role_grant("", role.clone()));
            let error = checked.err()?;
            let fix = error.fix.unwrap_or_default();
            let place = place_pointer(&error, role.channel_id.is_some()).unwrap_or_default();
            Some(ValidationError::at(
                format!("/roles/{number}{place}"),
                format!("can't be assigned. {fix}"),
            ))
        });
        Ok(refused.collect())
    }

    fn role_grants(&self, user_id: &str, roles: Vec<RoleInput>) -> Vec<RoleGrant> {
        roles.into_iter().map(|role| self.role_grant(user_id, role)).collect()
    }

    async fn assign_roles(
        &self,
        holdings: &[RoleGrant],
    ) -> Result<Vec<Result<WriteOutcome, ConnectorError>>, UnifiedError> {
        let writer = self.assignment_writes()?;
        self.record_start(GRANTED, holdings).await?;
        let outcomes = writer.assign(&self.directory.cx, holdings).await;
        Ok(self.resolve_all(GRANTED, holdings, outcomes, true).await)
    }

    async fn remove_roles(
        &self,
        holdings: &[RoleGrant],
    ) -> Result<Vec<Result<WriteOutcome, ConnectorError>>, UnifiedError> {
        let writer = self.assignment_writes()?;
        self.record_start(REVOKED, holdings).await?;
        let outcomes = writer.remove(&self.directory.cx, holdings).await;
        Ok(self.resolve_all(REVOKED, holdings, outcomes, false).await)
    }

    async fn record_start(&self, action: &str, holdings: &[RoleGrant]) -> Result<(), UnifiedError> {
        for holding in holdings {
            self.audit_trail.record(action, &assignment_id(holding), AuditOutcome::Started).await?;
        }
        Ok(())
    }

    /// Decides uncertain outcomes by reading whether each role is held.
    async fn resolve_all(
        &self,
        action: &str,
        holdings: &[RoleGrant],
        outcomes: Vec<Result<WriteOutcome, ConnectorError>>,
        to_be_held: bool,
    ) -> Vec<Result<WriteOutcome, ConnectorError>> {
        let mut settled = Vec::with_capacity(outcomes.len());
        for (holding, outcome) in holdings.iter().zip(outcomes) {
            let id = assignment_id(holding);
            let state = async {
                let held = self.read::<RoleAssignment>(&id).await?;
                Ok(Comparison::of_equality(held.is_some() == to_be_held))
            };
            let outcome = resolve_by_state(outcome, state).await;
            self.record_outcome(action, &id, &outcome).await;
            settled.push(outcome);
        }
        settled
    }

    fn assignment_writes(&self) -> Result<&dyn AssignmentWrites, UnifiedError> {
        let writer = self.directory.connector.assignment_writes();
        writer.ok_or_else(|| self.unsupported("changes of role assignments"))
    }

    /// Returns the outcome of the only grant.
    fn only_outcome(
        &self,
        outcomes: Vec<Result<WriteOutcome, ConnectorError>>,
    ) -> Result<WriteOutcome, UnifiedError> {
        let provider = self.directory.connector.provider();
        let silent = || Err(ConnectorError::new(provider, "role-assignments", ErrorKind::Internal));
        Ok(outcomes.into_iter().next().unwrap_or_else(silent)?)
    }
}

/// Returns the pointer to the place in a role, if the place is why the role can't be assigned.
fn place_pointer(error: &ConnectorError, has_channel: bool) -> Option<&'static str> {
    error.field.filter(|field| *field == PLACE_FIELD)?;
    Some(if has_channel { "/channel_id" } else { PLACE_FIELD })
}

/// Returns the id of an assignment.
fn assignment_id(RoleGrant { role_id, user_id, place_id }: &RoleGrant) -> String {
    assignment::assignment_id(role_id, user_id, place_id)
}

fn role_steps(
    holdings: Vec<RoleGrant>,
    outcomes: Vec<Result<WriteOutcome, ConnectorError>>,
) -> Vec<ChangeStep> {
    let part = |(holding, outcome): (RoleGrant, _)| ChangeStep {
        place_id: Some(holding.place_id),
        ..ChangeStep::of("role", &holding.role_id, outcome)
    };
    holdings.into_iter().zip(outcomes).map(part).collect()
}
