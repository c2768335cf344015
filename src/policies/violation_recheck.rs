//! Before a fix: reads the people whom it changes at the provider, and evaluates the policy on them again.

use std::collections::BTreeSet;

use super::evaluation::Evaluation;
use super::evaluation_error::EvaluationError;
use super::services::PolicyServices;
use crate::domain::policy::{DirectoryOperation, Violation};
use crate::domain::reported_change::Subject;
use crate::store::{EvaluationScope, StoreError, TenantDb};
use crate::sync::{ObjectReadError, UserRead, WriteThrough};

/// What a violation is by people who were read now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RecheckedViolation {
    /// It still exists, or nothing is known against it.
    Exists,
    /// It has ended.
    Ended,
    /// A person could not be read, and why.
    Unreadable(String),
}

impl PolicyServices {
    /// Brings the copy up to date with the people whom the fix of a violation changes, and returns what the violation
    /// is then. The copy may be as old as the last run.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub(super) async fn recheck(
        &self,
        db: &TenantDb,
        write: &WriteThrough<'_>,
        violation: &Violation,
    ) -> Result<RecheckedViolation, StoreError> {
        let ids: BTreeSet<&str> = violation.fix.iter().map(DirectoryOperation::user_id).collect();
        let people: Vec<String> = ids.into_iter().map(str::to_owned).collect();
        for id in &people {
            let subject = Subject::User(id.clone());
            let read = Box::pin(write.refresh_object(&subject, UserRead::WithRoles)).await;
            match read {
                Ok(()) => {}
                Err(ObjectReadError::Store(error)) => return Err(error),
                Err(ObjectReadError::Connector(error)) => {
                    return Ok(RecheckedViolation::Unreadable(error.to_string()));
                }
            }
        }
        let Some(policy) = db.policy(violation.policy_id).await? else {
            return Ok(RecheckedViolation::Ended);
        };
        let evaluation = Evaluation {
            services: self,
            db,
            environment_id: db.environment_id(),
            account_id: violation.integrated_account_id,
            as_of: None,
            now: self.clock.now(),
        };
        let (policies, scope) = ([policy], EvaluationScope::People(people));
        let evaluated = match Box::pin(evaluation.run(&policies, &scope)).await {
            Ok(evaluated) => evaluated,
            Err(EvaluationError::NotSynced) => return Ok(RecheckedViolation::Exists),
            Err(EvaluationError::Store(error)) => return Err(error),
        };
        let mut findings = evaluated.into_iter().filter_map(|one| one.findings);
        let has_ended = findings.any(|found| found.has_none_of(&violation.subject));
        Ok(if has_ended { RecheckedViolation::Ended } else { RecheckedViolation::Exists })
    }
}
