//! Roles given and taken.

use super::outcome::{Changed, Made, Part, settle_goal};
use super::{Changes, refuse};
use crate::connectors::{AssignmentWrites, ConnectorError, Holding, Kind};
use crate::domain::assignment::RoleAssignment;
use crate::domain::input::{Comparison, Done, Flaw};
use crate::domain::user::User;
use crate::domain::user_input::{RoleInput, contradicting_roles};
use crate::store::Outcome;
use crate::unified::{Shape, UnifiedError};

const GIVE: &str = "role_assignment.granted";
const TAKE: &str = "role_assignment.revoked";

impl Changes<'_> {
    /// The holding of a role by a user: in a channel, in a workspace, or else in the organization.
    fn holding(&self, user_id: &str, role: RoleInput) -> Holding {
        let RoleInput { id: role_id, workspace_id, channel_id } = role;
        let organization = || self.directory.cx.account.organization.id.to_string();
        let place_id = channel_id.or(workspace_id).unwrap_or_else(organization);
        Holding { role_id, user_id: user_id.to_owned(), place_id }
    }

    /// Gives a role.
    ///
    /// # Errors
    ///
    /// `Flawed` for a role in two places; why it can't be given at all, before anything is sent; else
    /// what the provider said. `Unsupported` when it can't give roles.
    pub async fn give_role(
        &self,
        user_id: &str,
        role: RoleInput,
        shape: &Shape,
    ) -> Result<Changed, UnifiedError> {
        if role.workspace_id.is_some() && role.channel_id.is_some() {
            let flaws = Flaw::pair("/workspace_id", "/channel_id");
            return Err(UnifiedError::Flawed(flaws.into()));
        }
        let holding = self.holding(user_id, role);
        self.assignment_writes()?
            .check(&self.directory.cx, &holding)
            .map_err(|error| error.about("/role_id"))?;
        let id = id(&holding);
        let outcomes = self.give_roles(std::slice::from_ref(&holding)).await?;
        let outcome = self.first(outcomes)?;
        let parts = parts(vec![holding], vec![Ok(outcome)]);
        let made = if outcome == Done::Done { Made::New } else { Made::Existing };
        self.changed::<RoleAssignment>(&id, made, parts, shape).await
    }

    /// Takes a role away by the id of its assignment. It may have been gone already.
    ///
    /// # Errors
    ///
    /// `NotFound` when that is no id of an assignment; else what the provider said.
    pub async fn take_role(&self, id: &str) -> Result<Done, UnifiedError> {
        let mut parts = id.split('.').map(str::to_owned);
        let (Some(role_id), Some(user_id), Some(place_id), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(UnifiedError::NotFound { resource: "role assignment" });
        };
        let outcomes = self.take_roles(&[Holding { role_id, user_id, place_id }]).await?;
        self.first(outcomes)
    }

    /// Gives a user several roles, each a part, and reads the user.
    ///
    /// # Errors
    ///
    /// Only what stops all of them: `Flawed` for roles that contradict each other, `Unsupported`, or a
    /// log that can't be written; and why the user can't be read, when all of them failed.
    pub async fn give_user_roles(
        &self,
        user_id: &str,
        roles: Vec<RoleInput>,
        shape: &Shape,
    ) -> Result<Changed, UnifiedError> {
        refuse(contradicting_roles(&roles))?;
        let parts = self.give_parts(user_id, roles).await?;
        self.changed::<User>(user_id, Made::Existing, parts, shape).await
    }

    /// Takes several roles from a user, each a part, and reads the user.
    ///
    /// # Errors
    ///
    /// As those of [`Self::give_user_roles`].
    pub async fn take_user_roles(
        &self,
        user_id: &str,
        roles: Vec<RoleInput>,
        shape: &Shape,
    ) -> Result<Changed, UnifiedError> {
        let holdings = self.holdings(user_id, roles);
        let outcomes = self.take_roles(&holdings).await?;
        let parts = parts(holdings, outcomes);
        self.changed::<User>(user_id, Made::Existing, parts, shape).await
    }

    /// Gives a user several roles, each a part.
    pub(super) async fn give_parts(
        &self,
        user_id: &str,
        roles: Vec<RoleInput>,
    ) -> Result<Vec<Part>, UnifiedError> {
        let holdings = self.holdings(user_id, roles);
        let outcomes = self.give_roles(&holdings).await?;
        Ok(parts(holdings, outcomes))
    }

    /// Which of the roles can't be given, known before anything is sent.
    pub(super) fn flaws_of_roles(&self, roles: &[RoleInput]) -> Result<Vec<Flaw>, UnifiedError> {
        if roles.is_empty() {
            return Ok(Vec::new());
        }
        let facet = self.assignment_writes()?;
        let refused = roles.iter().enumerate().filter_map(|(number, role)| {
            let checked = facet.check(&self.directory.cx, &self.holding("", role.clone()));
            let fix = checked.err()?.fix.unwrap_or_default();
            Some(Flaw::at(format!("/roles/{number}"), format!("can't be given. {fix}")))
        });
        Ok(refused.collect())
    }

    fn holdings(&self, user_id: &str, roles: Vec<RoleInput>) -> Vec<Holding> {
        roles.into_iter().map(|role| self.holding(user_id, role)).collect()
    }

    async fn give_roles(
        &self,
        holdings: &[Holding],
    ) -> Result<Vec<Result<Done, ConnectorError>>, UnifiedError> {
        let facet = self.assignment_writes()?;
        self.note_all(GIVE, holdings).await?;
        let outcomes = facet.assign(&self.directory.cx, holdings).await;
        Ok(self.settle_all(GIVE, holdings, outcomes, true).await)
    }

    async fn take_roles(
        &self,
        holdings: &[Holding],
    ) -> Result<Vec<Result<Done, ConnectorError>>, UnifiedError> {
        let facet = self.assignment_writes()?;
        self.note_all(TAKE, holdings).await?;
        let outcomes = facet.revoke(&self.directory.cx, holdings).await;
        Ok(self.settle_all(TAKE, holdings, outcomes, false).await)
    }

    async fn note_all(&self, action: &str, holdings: &[Holding]) -> Result<(), UnifiedError> {
        for holding in holdings {
            self.journal.note(action, &id(holding), Outcome::Started).await?;
        }
        Ok(())
    }

    /// Decides what is in doubt by whether the role is held, which it is to be, or not.
    async fn settle_all(
        &self,
        action: &str,
        holdings: &[Holding],
        outcomes: Vec<Result<Done, ConnectorError>>,
        to_be_held: bool,
    ) -> Vec<Result<Done, ConnectorError>> {
        let mut settled = Vec::with_capacity(outcomes.len());
        for (holding, outcome) in holdings.iter().zip(outcomes) {
            let id = id(holding);
            let state = async {
                let held = self.read::<RoleAssignment>(&id).await?;
                Ok(Comparison::of(held.is_some() == to_be_held))
            };
            let outcome = settle_goal(outcome, state).await;
            self.close(action, &id, &outcome).await;
            settled.push(outcome);
        }
        settled
    }

    fn assignment_writes(&self) -> Result<&dyn AssignmentWrites, UnifiedError> {
        let facet = self.directory.connector.assignment_writes();
        facet.ok_or_else(|| self.unsupported("changes of role assignments"))
    }

    /// What came of the only wish.
    fn first(&self, outcomes: Vec<Result<Done, ConnectorError>>) -> Result<Done, UnifiedError> {
        let provider = self.directory.connector.provider();
        let silent = || Err(ConnectorError::new(provider, "role-assignments", Kind::Internal));
        Ok(outcomes.into_iter().next().unwrap_or_else(silent)?)
    }
}

/// The id of an assignment.
fn id(Holding { role_id, user_id, place_id }: &Holding) -> String {
    format!("{role_id}.{user_id}.{place_id}")
}

fn parts(holdings: Vec<Holding>, outcomes: Vec<Result<Done, ConnectorError>>) -> Vec<Part> {
    let part = |(holding, outcome): (Holding, _)| Part {
        place_id: Some(holding.place_id),
        ..Part::of("role", &holding.role_id, outcome)
    };
    holdings.into_iter().zip(outcomes).map(part).collect()
}
