//! Checks the settings of a policy before they are stored: its kind and parameters, and the accounts, roles and
//! workspaces that it names.

use serde_json::Value;

use super::expression_input::check_expression;
use crate::domain::ids::IntegratedAccountId;
use crate::domain::patch::ValidationError;
use crate::http::extract::Access;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::AppState;
use crate::policies::{ReferenceKind, validate};

/// Maximum length of a name, in characters.
const MAX_NAME_CHARS: usize = 200;
/// Maximum number of accounts of a policy.
const MAX_ACCOUNTS: usize = 1_000;
/// Maximum grace period, in seconds: 90 days.
pub(super) const MAX_GRACE_S: u32 = 7_776_000;

/// The settings of a policy that are checked.
#[derive(Debug)]
pub(super) struct PolicyInput<'a> {
    pub(super) name: &'a str,
    pub(super) kind: &'a str,
    pub(super) parameters: &'a Value,
    pub(super) integrated_account_ids: Option<&'a [IntegratedAccountId]>,
    pub(super) grace_s: u32,
}

impl PolicyInput<'_> {
    /// Returns the accounts whose roles and workspaces the policy may name: those that it applies to, as far as the caller
    /// sees them.
    fn visible_ids<'a>(
        &'a self,
        own: Option<&'a IntegratedAccountId>,
    ) -> Option<&'a [IntegratedAccountId]> {
        own.map(std::slice::from_ref).or(self.integrated_account_ids)
    }

    /// Fails with all validation errors.
    pub(super) async fn check<P>(
        &self,
        state: &AppState,
        access: &Access<P>,
    ) -> Result<(), Problem> {
        let mut errors = self.errors();
        let visible = self.visible_ids(access.caller.account_id.as_ref());
        match validate(self.kind, self.parameters) {
            Ok(valid) => {
                for expression in &valid.expressions {
                    let environment_id = access.db.environment_id();
                    let (pointer, text) = expression;
                    check_expression(state, environment_id, (pointer, text), &mut errors).await?;
                }
                for reference in &valid.references {
                    let is_known = match reference.kind {
                        ReferenceKind::Role => {
                            self.knows_role(state, access, &reference.id).await?
                        }
                        ReferenceKind::Workspace => {
                            access.db.knows_workspace(visible, &reference.id).await?
                        }
                    };
                    if !is_known {
                        let message = match reference.kind {
                            ReferenceKind::Role => "is not a role: GET /roles lists them",
                            ReferenceKind::Workspace => {
                                "is not a workspace of the synced accounts: GET /workspaces lists them"
                            }
                        };
                        let pointer = format!("/parameters{}", reference.pointer);
                        errors.push(ValidationError::at(pointer, message));
                    }
                }
            }
            Err(invalid) => errors.extend(invalid),
        }
        self.check_accounts(access, &mut errors).await?;
        if errors.is_empty() {
            return Ok(());
        }
        let problem = Problem::new(ProblemKind::InvalidBody, "The policy is invalid.");
        Err(errors
            .into_iter()
            .fold(problem, |problem, error| problem.with_error(error.pointer, error.message)))
    }

    fn errors(&self) -> Vec<ValidationError> {
        let mut errors = Vec::new();
        let chars = self.name.chars().count();
        if self.name.trim().is_empty() || chars > MAX_NAME_CHARS {
            let message = format!("must have 1 to {MAX_NAME_CHARS} characters");
            errors.push(ValidationError::at("/name", message));
        }
        if self.grace_s > MAX_GRACE_S {
            errors.push(ValidationError::at("/grace_s", format!("must be at most {MAX_GRACE_S}")));
        }
        if self.integrated_account_ids.is_some_and(|ids| !(1..=MAX_ACCOUNTS).contains(&ids.len())) {
            let message = format!("must have 1 to {MAX_ACCOUNTS} accounts, or be null for all");
            errors.push(ValidationError::at("/integrated_account_ids", message));
        }
        errors
    }

    async fn check_accounts<P>(
        &self,
        access: &Access<P>,
        errors: &mut Vec<ValidationError>,
    ) -> Result<(), Problem> {
        for (index, id) in self.integrated_account_ids.unwrap_or_default().iter().enumerate() {
            let is_foreign = access.caller.account_id.is_some_and(|own| own != *id);
            if is_foreign || access.db.cached_account(*id).await?.is_none() {
                let pointer = format!("/integrated_account_ids/{index}");
                let message = "is not an account of this environment";
                errors.push(ValidationError::at(pointer, message));
            }
        }
        Ok(())
    }

    /// Whether a role can exist at the provider of one of the accounts.
    async fn knows_role<P>(
        &self,
        state: &AppState,
        access: &Access<P>,
        role_id: &str,
    ) -> Result<bool, Problem> {
        let visible = self.visible_ids(access.caller.account_id.as_ref());
        let providers = access.db.providers_of(visible).await?;
        Ok(providers.is_empty()
            || providers.iter().any(|provider| {
                state.registry.connector(*provider).has_role(role_id) != Some(false)
            }))
    }
}
