//! Roles given and taken.

use super::{Changes, Part, done_if, settle};
use crate::connectors::{AssignmentWrites, ConnectorError, Holding, Kind};
use crate::domain::assignment::RoleAssignment;
use crate::domain::input::{Done, Flaw};
use crate::domain::user_input::RoleInput;
use crate::store::Outcome;
use crate::unified::{Shape, Shown, UnifiedError};

const GIVE: &str = "role_assignment.granted";
const TAKE: &str = "role_assignment.revoked";

impl Changes<'_> {
    /// The holding of a role by a user: in a channel, in a workspace, or else in the organization.
    #[must_use]
    pub fn holding(&self, user_id: &str, role: RoleInput) -> Holding {
        let RoleInput { id: role_id, workspace_id, channel_id } = role;
        let organization = || self.directory.cx.account.organization.id.to_string();
        let place_id = channel_id.or(workspace_id).unwrap_or_else(organization);
        Holding { role_id, user_id: user_id.to_owned(), place_id }
    }

    /// Gives a role. It may have been held already.
    ///
    /// # Errors
    ///
    /// What the provider said; `Unsupported` when it can't give roles.
    pub async fn give_role(&self, holding: Holding, shape: &Shape) -> Result<Shown, UnifiedError> {
        let id = id(&holding);
        self.assignment_writes()?.check(&self.directory.cx, &holding)?;
        self.first(self.give_roles(&[holding]).await?)?;
        self.directory.get::<RoleAssignment>(&id, shape).await
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

    /// Gives a user several roles, each a part.
    ///
    /// # Errors
    ///
    /// Only what stops all of them: `Unsupported`, or a log that can't be written.
    pub async fn give_user_roles(
        &self,
        user_id: &str,
        roles: Vec<RoleInput>,
    ) -> Result<Vec<Part>, UnifiedError> {
        let holdings = self.holdings(user_id, roles);
        let outcomes = self.give_roles(&holdings).await?;
        Ok(parts(holdings, outcomes))
    }

    /// Takes several roles from a user, each a part.
    ///
    /// # Errors
    ///
    /// Only what stops all of them: `Unsupported`, or a log that can't be written.
    pub async fn take_user_roles(
        &self,
        user_id: &str,
        roles: Vec<RoleInput>,
    ) -> Result<Vec<Part>, UnifiedError> {
        let holdings = self.holdings(user_id, roles);
        let outcomes = self.take_roles(&holdings).await?;
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
            let code = checked.err()?.code.unwrap_or_default();
            Some(Flaw::at(format!("/roles/{number}"), format!("can't be given: {code}")))
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
            let seen = async {
                let held = self.read::<RoleAssignment>(&id).await?;
                Ok(done_if(held.is_some() == to_be_held))
            };
            let outcome = settle(outcome, seen).await;
            let ended = if outcome.is_ok() { Outcome::Done } else { Outcome::Failed };
            self.journal.close(action, &id, ended).await;
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
        let silent = || {
            let provider = self.directory.connector.provider();
            Err(ConnectorError::new(provider, "role-assignments", Kind::Internal))
        };
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
