//! Checks a rule set before it is stored: its rules, and the workspaces, roles and groups that they name.

use super::expression_input::check_expression;
use crate::domain::account::IntegratedAccount;
use crate::domain::patch::ValidationError;
use crate::domain::reconciliation::{DesiredRole, Rule, RuleSet};
use crate::domain::sync::CopyKind;
use crate::domain::user::UserType;
use crate::http::extract::Access;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::AppState;
use crate::policies::pointer_to;
use crate::reconcile::NamedObjects;

/// Maximum length of a name, in characters.
const MAX_NAME_CHARS: usize = 200;
/// Maximum number of rules.
const MAX_RULES: usize = 200;
/// Maximum number of workspaces, of roles and of groups of one rule.
const MAX_LISTED: usize = 200;

/// What rules can name; `None` without a complete copy.
struct CopiedNames {
    workspaces: Option<NamedObjects>,
    groups: Option<NamedObjects>,
}

/// Fails with all validation errors.
pub(super) async fn check<P>(
    state: &AppState,
    access: &Access<P>,
    account: &IntegratedAccount,
    set: &RuleSet,
) -> Result<(), Problem> {
    let mut errors = Vec::new();
    check_name("/name", &set.name, &mut errors);
    if !(1..=MAX_RULES).contains(&set.rules.len()) {
        errors.push(ValidationError::at("/rules", format!("must have 1 to {MAX_RULES} rules")));
    }
    errors.extend(set.guards.validate("/guards"));
    if errors.is_empty() {
        let named = CopiedNames::of(access, account).await?;
        let connector = state.registry.connector(account.provider);
        let is_role = |id: &str| connector.has_role(id) != Some(false);
        for (index, rule) in set.rules.iter().enumerate() {
            let pointer = format!("/rules/{index}");
            check_rule(rule, &pointer, &mut errors);
            named.check(rule, &format!("{pointer}/then"), &is_role, &mut errors);
            check_expressions(state, access, (rule, &pointer), &mut errors).await?;
        }
    }
    if errors.is_empty() {
        return Ok(());
    }
    let problem = Problem::new(ProblemKind::InvalidBody, "The rule set is invalid.");
    Err(errors
        .into_iter()
        .fold(problem, |problem, error| problem.with_error(error.pointer, error.message)))
}

fn check_name(pointer: &str, name: &str, errors: &mut Vec<ValidationError>) {
    if name.trim().is_empty() || name.chars().count() > MAX_NAME_CHARS {
        let message = format!("must have 1 to {MAX_NAME_CHARS} characters");
        errors.push(ValidationError::at(pointer, message));
    }
}

fn check_rule(rule: &Rule, pointer: &str, errors: &mut Vec<ValidationError>) {
    if let Some(name) = &rule.name {
        check_name(&format!("{pointer}/name"), name, errors);
    }
    let then = &rule.then;
    if then.is_empty() {
        let message = "must have at least one of workspaces, roles, groups and user_type";
        errors.push(ValidationError::at(format!("{pointer}/then"), message));
    }
    if then.user_type == Some(UserType::Bot) {
        let message = "must not be `bot`";
        errors.push(ValidationError::at(format!("{pointer}/then/user_type"), message));
    }
    for (field, count) in [
        ("workspaces", then.workspaces.len()),
        ("roles", then.roles.len()),
        ("groups", then.groups.len()),
    ] {
        if count > MAX_LISTED {
            let message = format!("must have at most {MAX_LISTED} entries");
            errors.push(ValidationError::at(format!("{pointer}/then/{field}"), message));
        }
    }
}

async fn check_expressions<P>(
    state: &AppState,
    access: &Access<P>,
    (rule, pointer): (&Rule, &str),
    errors: &mut Vec<ValidationError>,
) -> Result<(), Problem> {
    let mut expressions = Vec::new();
    rule.when.collect_expressions(&mut expressions);
    let condition = serde_json::to_value(&rule.when).unwrap_or_default();
    for expression in expressions {
        let place = pointer_to(&condition, expression).unwrap_or_default();
        let pointer = format!("{pointer}/when{place}");
        let environment_id = access.db.environment_id();
        check_expression(state, environment_id, (&pointer, expression), errors).await?;
    }
    Ok(())
}

impl CopiedNames {
    async fn of<P>(access: &Access<P>, account: &IntegratedAccount) -> Result<Self, Problem> {
        let read = async |kind| {
            let is_copied = access.db.copy_freshness(account.id, &[kind]).await?.is_some();
            let names = access.db.object_names(account.id, kind).await?;
            Ok::<_, Problem>(is_copied.then(|| NamedObjects::new(names)))
        };
        let workspaces = read(CopyKind::Workspace).await?;
        Ok(Self { workspaces, groups: read(CopyKind::Group).await? })
    }

    /// Adds an error for each name that does not refer to exactly one object.
    fn check(
        &self,
        rule: &Rule,
        pointer: &str,
        is_role: &dyn Fn(&str) -> bool,
        errors: &mut Vec<ValidationError>,
    ) {
        let workspace_error = |id: &str| error(self.workspaces.as_ref(), id, "workspace");
        for (index, workspace) in rule.then.workspaces.iter().enumerate() {
            if let Some(message) = workspace_error(&workspace.id) {
                errors.push(ValidationError::at(format!("{pointer}/workspaces/{index}"), message));
            }
        }
        for (index, DesiredRole { id, workspace_id }) in rule.then.roles.iter().enumerate() {
            let at = |field: &str| format!("{pointer}/roles/{index}/{field}");
            if !is_role(id) {
                let message = "is not a role: GET /roles lists them";
                errors.push(ValidationError::at(at("id"), message));
            }
            if let Some(message) = workspace_id.as_deref().and_then(workspace_error) {
                errors.push(ValidationError::at(at("workspace_id"), message));
            }
        }
        for (index, group) in rule.then.groups.iter().enumerate() {
            if let Some(message) = error(self.groups.as_ref(), group, "group") {
                errors.push(ValidationError::at(format!("{pointer}/groups/{index}"), message));
            }
        }
    }
}

/// Returns what is wrong with a name.
fn error(known: Option<&NamedObjects>, name: &str, what: &str) -> Option<String> {
    let error = known?.find(name, what).err()?;
    Some(format!("{error}: GET /{what}s lists them"))
}
