//! Shows what a rule set gives one person, and why.

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::copied::check_copy;
use super::integrated_accounts::find as find_account;
use super::response::{EnvelopeSchema, ItemResponse};
use super::rule_sets::find;
use crate::domain::ids::{IntegratedAccountId, RuleSetId};
use crate::domain::patch::ValidationError;
use crate::domain::policy::Person;
use crate::domain::reconciliation::{PlanOperation, ProposedStep};
use crate::http::extract::{Access, JsonBody, NoQuery, Read};
use crate::http::problem::{Problem, ProblemKind, Problems};
use crate::http::state::AppState;
use crate::reconcile::{ReconcileServices, RuleEvaluator, RuleMatch, RuleVerdict};
use crate::store::{PeopleFilter, PeoplePage};

type RuleSetPreviewResponse = EnvelopeSchema<ItemResponse<RuleSetPreview>>;

/// Request body for a preview.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"user": "U0EXAMPLE"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct PreviewRuleSetRequest {
    /// The id or e-mail address of a user of the synced copy.
    user: String,
}

/// The person of a preview.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct PreviewedUser {
    /// Id.
    #[schema(example = "U0EXAMPLE")]
    id: String,
    /// Name.
    #[schema(example = "Ada Lovelace")]
    name: String,
    /// Primary e-mail address.
    #[schema(required = true, example = "ada@example.com")]
    email: Option<String>,
}

/// A rule, and whether it matches.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct PreviewedRule {
    /// The rule's name, or `rule` and its number.
    #[schema(example = "Sales")]
    rule: String,
    /// Whether its condition is true; `null` if its expression failed.
    #[schema(required = true, example = true)]
    matches: Option<bool>,
    /// What the deciding part of the condition found.
    #[schema(example = "`department` is `Sales` (condition: eq `Sales`)")]
    reason: String,
}

/// A step that a plan of the rule set would have for the person.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct PreviewedStep {
    /// Operation.
    operation: PlanOperation,
    /// Values before.
    #[schema(value_type = Object)]
    before: Map<String, Value>,
    /// Values afterwards.
    #[schema(value_type = Object)]
    after: Map<String, Value>,
    /// Why it would be in the plan.
    #[schema(example = "Desired by the rule Sales.")]
    reason: String,
    /// Whether it takes access from the person.
    #[schema(example = false)]
    is_removal: bool,
    /// Why it would not be carried out; `null` if it would be.
    #[schema(required = true)]
    skipped: Option<String>,
}

impl From<ProposedStep> for PreviewedStep {
    fn from(step: ProposedStep) -> Self {
        let ProposedStep { operation, before, after, reason, is_removal, skipped, .. } = step;
        Self { operation, before, after, reason, is_removal, skipped }
    }
}

/// What a rule set gives a person.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct RuleSetPreview {
    /// The person.
    user: PreviewedUser,
    /// All rules, with the reasons why they match or do not.
    rules: Vec<PreviewedRule>,
    /// What the rules together give; fields that no rule has are absent. `null` with a `problem`.
    #[schema(value_type = Option<Object>, required = true, example = json!({"workspaces": [{"id": "T0EXAMPLE"}]}))]
    desired: Option<Value>,
    /// The steps that a plan would have for the person now.
    steps: Vec<PreviewedStep>,
    /// Why the person would be left out: an expression failed, or rules contradict each other.
    #[schema(required = true)]
    problem: Option<String>,
}

/// Preview a rule set
///
/// Shows which rules match a person of the synced copy and why, and what they give. Nothing is changed.
#[utoipa::path(post, path = "/rule-sets/{id}/preview", tag = "Rule sets", request_body = PreviewRuleSetRequest,
    params(("id" = RuleSetId, Path, description = "The rule set's id")),
    responses((status = 200, description = "What it gives", body = RuleSetPreviewResponse), Problems))]
pub(in crate::http) async fn preview_rule_set(
    State(state): State<AppState>,
    access: Access<Read>,
    Path(id): Path<String>,
    _: NoQuery,
    JsonBody(body): JsonBody<PreviewRuleSetRequest>,
) -> Result<Json<ItemResponse<RuleSetPreview>>, Problem> {
    let set = find(&access, &id).await?;
    let account = find_account(&access, &set.integrated_account_id.text()).await?;
    check_copy(&state, &access, &account, None).await?;
    let person = find_person(&access, set.integrated_account_id, &body.user).await?;
    let evaluator = RuleEvaluator::new(&state.expressions, access.db.environment_id(), &set);
    let rules = evaluator.explain(&person).await;
    let evaluated = evaluator.evaluate(std::slice::from_ref(&person)).await;
    let (desired, steps) = match evaluated.into_iter().next() {
        Some(Ok(RuleMatch { desired, matched })) => {
            let services = ReconcileServices { policies: state.policies.clone() };
            let found = (&person, desired.clone(), matched.as_slice());
            // Boxed: it is large.
            let steps = Box::pin(services.preview(&access.db, &account, &set, found)).await?;
            (Some(desired.to_json()), steps)
        }
        Some(Err(problem)) => (None, Err(problem)),
        None => (None, Ok(Vec::new())),
    };
    let (steps, problem) = match steps {
        Ok(steps) => (steps, None),
        Err(problem) => (Vec::new(), Some(problem)),
    };
    let user = PreviewedUser {
        id: person.id.clone(),
        name: person.display_name().to_owned(),
        email: person.email().map(str::to_owned),
    };
    let rules = rules.into_iter().map(|RuleVerdict { rule, matches, reason }| PreviewedRule {
        rule,
        matches,
        reason,
    });
    let steps = steps.into_iter().map(PreviewedStep::from).collect();
    let preview = RuleSetPreview { user, rules: rules.collect(), desired, steps, problem };
    Ok(Json(ItemResponse::of(preview)))
}

/// Returns the person of the copy with an id or e-mail address.
async fn find_person(
    access: &Access<Read>,
    account_id: IntegratedAccountId,
    user: &str,
) -> Result<Person, Problem> {
    let page = PeoplePage { as_of: None, after: None, limit: 2 };
    let by_id = PeopleFilter::Ids(vec![user.to_owned()]);
    let mut found = access.db.people(account_id, &by_id, page).await?;
    if found.is_empty() {
        let by_email = PeopleFilter::Emails(vec![user.trim().to_lowercase()]);
        found = access.db.people(account_id, &by_email, page).await?;
    }
    let person = found.pop().ok_or_else(|| {
        let detail = "The synced copy has no user with this id or e-mail address.";
        Problem::new(ProblemKind::NotFound, detail)
    })?;
    if found.is_empty() {
        return Ok(person);
    }
    let message = "is the e-mail address of several users: use the id of one of them";
    Err(Problem::invalid(vec![ValidationError::at("/user", message)]))
}
