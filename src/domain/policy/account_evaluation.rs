//! What is known of the evaluation of an account: when it was evaluated, and which policies could not be.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::domain::ids::{IntegratedAccountId, PolicyId};

/// Why a policy was not, or not completely, evaluated in an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EvaluationProblemCode {
    /// The account has no complete synced copy of users, so that no policy was evaluated.
    NotSynced,
    /// The account has no complete synced copy of a resource that the policy looks at.
    ResourceNotSynced,
    /// The kind or the parameters are invalid for this version of the gateway.
    InvalidPolicy,
    /// The expression of the policy failed for some users, whose violations do not change.
    ExpressionFailed,
    /// The policy has more violations than are stored.
    TooManyViolations,
}

impl EvaluationProblemCode {
    /// Whether an evaluation over some people can't show that the problem is over.
    fn concerns_people(self) -> bool {
        match self {
            Self::ExpressionFailed | Self::TooManyViolations => true,
            Self::NotSynced | Self::ResourceNotSynced | Self::InvalidPolicy => false,
        }
    }
}

/// Why a policy was not, or not completely, evaluated in an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = PolicyEvaluationProblem)]
pub struct EvaluationProblem {
    /// The policy; `null` for all.
    #[schema(required = true)]
    pub policy_id: Option<PolicyId>,
    /// A stable code.
    pub code: EvaluationProblemCode,
    /// What is wrong.
    #[schema(example = "The account has no complete synced copy of groups.")]
    pub detail: String,
}

/// The evaluation of the policies of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AccountPolicyEvaluation)]
pub struct AccountEvaluation {
    /// The account.
    pub integrated_account_id: IntegratedAccountId,
    /// When it was last evaluated; `null` before the first evaluation.
    #[schema(required = true)]
    #[serde(with = "time::serde::rfc3339::option")]
    pub evaluated_at: Option<OffsetDateTime>,
    /// The policies that were not, or not completely, evaluated.
    pub problems: Vec<EvaluationProblem>,
}

/// Returns the problems after an evaluation over some people: those that it `found`, and those `before` it that it can't
/// know about, of the policies that are still evaluated.
#[must_use]
pub fn current_problems(
    mut found: Vec<EvaluationProblem>,
    before: Vec<EvaluationProblem>,
    is_evaluated: impl Fn(PolicyId) -> bool,
) -> Vec<EvaluationProblem> {
    let remains = |found: &[EvaluationProblem], problem: &EvaluationProblem| {
        problem.code.concerns_people()
            && problem.policy_id.is_some_and(&is_evaluated)
            && found.iter().all(|new| new.policy_id != problem.policy_id)
    };
    for problem in before {
        if remains(&found, &problem) {
            found.push(problem);
        }
    }
    found
}
