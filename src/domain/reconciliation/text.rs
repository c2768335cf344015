//! Plans as text, in the form that people know from infrastructure tools: `+` gives, `~` changes, `-` takes.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::operation::{CreateOperation, PlanOperation};
use super::step::{PlanStep, PlanSummary, StepOutcome};
use crate::domain::policy::DirectoryOperation;

/// Maximum number of characters of a value.
const MAX_VALUE_CHARS: usize = 120;

/// Returns the lines of a step, each with its end.
#[must_use]
pub fn step_text(step: &PlanStep) -> String {
    let mut text = String::new();
    let PlanStep { subject, operation, outcome, .. } = step;
    let who = match &subject.name {
        Some(name) if *name != subject.key => format!("{} ({name})", subject.key),
        Some(_) | None => subject.key.clone(),
    };
    let sign = match (outcome, operation) {
        (StepOutcome::Skipped, _) => '!',
        (
            _,
            PlanOperation::Change(
                DirectoryOperation::UpdateUser { .. } | DirectoryOperation::ExpireUser { .. },
            ),
        ) => '~',
        (_, PlanOperation::Change(DirectoryOperation::GrantRole { .. }))
            if !step.before.is_empty() =>
        {
            '~'
        }
        (_, PlanOperation::Change(_)) if step.is_removal => '-',
        (_, PlanOperation::Create(_) | PlanOperation::Change(_)) => '+',
    };
    let _ = writeln!(text, "  {sign} {:>4}  {}  {}", step.n, clean(&who), what(step));
    if let PlanOperation::Change(DirectoryOperation::UpdateUser { .. }) = operation {
        for (name, value) in &step.after {
            let before = step.before.get(name).unwrap_or(&Value::Null);
            let _ = writeln!(
                text,
                "            {}: {} -> {}",
                clean(name),
                shown(before),
                shown(value)
            );
        }
    }
    match outcome {
        StepOutcome::Pending => {}
        StepOutcome::Skipped => {
            let _ = writeln!(text, "            skipped: {}", clean(detail(step)));
        }
        StepOutcome::Applied
        | StepOutcome::Unchanged
        | StepOutcome::Conflict
        | StepOutcome::Failed => {
            let detail = clean(detail(step));
            let separator = if detail.is_empty() { "" } else { ": " };
            let _ = writeln!(text, "            {outcome}{separator}{detail}");
        }
    }
    text
}

/// Returns the line with the numbers of a plan.
#[must_use]
pub fn summary_text(summary: PlanSummary, provider_calls: u64, eta_s: Option<u64>) -> String {
    let PlanSummary { create, update, deactivate, add, remove, skip } = summary;
    let mut text = format!(
        "Plan: {create} to create, {update} to update, {deactivate} to deactivate, {add} to add, {remove} to remove, \
         {skip} skipped."
    );
    if let Some(eta) = eta_s.filter(|_| summary.changes() > 0) {
        let _ = write!(text, " About {provider_calls} provider calls in {eta} s or more.");
    }
    text.push('\n');
    text
}

fn detail(step: &PlanStep) -> &str {
    step.detail.as_deref().unwrap_or_default()
}

/// Returns what a step does.
fn what(step: &PlanStep) -> String {
    let named = |values: &Map<String, Value>, kind: &str, id: &str| {
        let name = values.get(kind).and_then(|one| one.get("name")).and_then(Value::as_str);
        clean(name.unwrap_or(id))
    };
    let place = |workspace: &Option<String>| match workspace {
        Some(id) => format!(" in {}", clean(id)),
        None => " in the organization".to_owned(),
    };
    match &step.operation {
        PlanOperation::Create(CreateOperation::Workspace { .. }) => {
            "create the workspace".to_owned()
        }
        PlanOperation::Create(CreateOperation::User { .. }) => "create the person".to_owned(),
        PlanOperation::Change(operation) => match operation {
            DirectoryOperation::UpdateUser { .. } => "change the profile".to_owned(),
            DirectoryOperation::GrantRole { role_id, workspace_id, .. } => {
                let before = step.before.get("role").and_then(|role| role.get("id"));
                let before = before.and_then(Value::as_str).map(|id| format!("{} -> ", clean(id)));
                format!(
                    "role {}{}{}",
                    before.unwrap_or_default(),
                    clean(role_id),
                    place(workspace_id)
                )
            }
            DirectoryOperation::RevokeRole { role_id, workspace_id, .. } => {
                format!("role {}{}", clean(role_id), place(workspace_id))
            }
            DirectoryOperation::AddWorkspaceMember { workspace_id, .. } => {
                format!("workspace {}", named(&step.after, "workspace", workspace_id))
            }
            DirectoryOperation::RemoveWorkspaceMember { workspace_id, .. } => {
                format!("workspace {}", named(&step.before, "workspace", workspace_id))
            }
            DirectoryOperation::AddGroupMember { group_id, .. } => {
                format!("group {}", named(&step.after, "group", group_id))
            }
            DirectoryOperation::RemoveGroupMember { group_id, .. } => {
                format!("group {}", named(&step.before, "group", group_id))
            }
            DirectoryOperation::DeactivateUser { .. } => "deactivate the person".to_owned(),
            DirectoryOperation::ExpireUser { in_days, .. } => {
                format!("end the access in {in_days} days")
            }
        },
    }
}

fn shown(value: &Value) -> String {
    clean(&value.to_string())
}

/// Returns a text of the provider without control characters, which a terminal would obey, and of limited length.
fn clean(text: &str) -> String {
    let mut clean: String =
        text.chars().filter(|c| !c.is_control()).take(MAX_VALUE_CHARS).collect();
    if text.chars().count() > MAX_VALUE_CHARS {
        clean.push('…');
    }
    clean
}
