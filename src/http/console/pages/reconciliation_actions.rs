//! What can be done with a plan in its status: discard, approve, pause, resume, cancel, undo.

use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::super::fields::FormFields;
use super::super::format::{count, number};
use super::super::json::Fields as _;
use super::super::parts::{Confirmation, button, confirm};
use super::super::view::View;
use crate::http::internal_api::segment;

/// Characters of a hash that people compare.
const HASH_CHARS: usize = 12;

/// Renders the buttons.
pub(super) fn render(view: &View, plan: &Value) -> Markup {
    let id = segment(plan.text("id")).into_owned();
    let url = |what: &str| view.href(&format!("/reconciliations/{id}/{what}"), &[]);
    let has_steps = plan.int("/counts/pending") > 0;
    let can_undo = plan.int("/counts/applied") > 0;
    html! {
        @match plan.text("status") {
            "planning" => (button(view, &url("cancel"), "Discard")),
            "planned" => {
                (button(view, &url("cancel"), "Discard"))
                @if has_steps { (approval(view, plan, url("apply"))) }
            },
            "applying" => { (button(view, &url("pause"), "Pause")) (cancellation(view, plan, url("cancel"))) },
            "paused" => { (button(view, &url("resume"), "Resume")) (cancellation(view, plan, url("cancel"))) },
            _ => {
                @if can_undo { (undo(view, plan, url("inverse"))) }
                @if let (Some(rules), "/console") = (plan.some("rule_set_id"), view.base) {
                    (button(view, &view.href(&format!("/rule-sets/{}/plan", segment(rules)), &[]), "Plan again"))
                }
            },
        }
    }
}

/// Returns the beginning of the hash of a plan.
pub(super) fn short_hash(plan: &Value) -> &str {
    let hash = plan.text("hash");
    hash.get(..HASH_CHARS).unwrap_or(hash)
}

/// Renders the approval: it names the plan and what people lose. A plan with more removals than its guards allow needs
/// their exact number, once.
fn approval(view: &View, plan: &Value, action: String) -> Markup {
    let changes = count(plan.int("/counts/pending"), "change", "changes");
    let lost = plan.int("/removals/removals");
    let removals = count(lost, "removal", "removals");
    let needed = plan.field("/removals/override_removals").as_i64();
    confirm(
        view,
        &Confirmation {
            label: "Approve and apply…",
            action,
            warning: html! {
                p { "Plan " code { (short_hash(plan)) } " makes " strong { (changes) } " at the provider, with " strong { (removals) } "." }
                @if lost > 0 { p { "Removed access is not restored automatically: the inverse is another plan." } }
                @if let Some(needed) = needed {
                    p.notice.bad { "The limit is " (number(plan.int("/removals/allowed"))) " removals. To exceed it for this plan, once, enter their exact number: " (number(needed)) "." }
                }
            },
            fields: html! {
                input type="hidden" name="hash" value=(plan.text("hash"));
                @if let Some(needed) = needed {
                    label.field { span { "Number of removals" } input type="number" name="override_removals" required min=(needed) max=(needed) autocomplete="off"; }
                }
            },
            button: "Apply the plan",
            is_dangerous: lost > 0,
        },
    )
}

fn cancellation(view: &View, plan: &Value, action: String) -> Markup {
    let (done, left) = (plan.int("/counts/applied"), plan.int("/counts/pending"));
    confirm(
        view,
        &Confirmation {
            label: "Cancel…",
            action,
            warning: html! {
                p { strong { (count(left, "step", "steps")) } " will not be carried out. A cancelled plan cannot be resumed." }
                p { "The " (count(done, "applied step stays", "applied steps stay")) "; the inverse makes a plan that undoes them." }
            },
            fields: html! {},
            button: "Cancel the plan",
            is_dangerous: true,
        },
    )
}

fn undo(view: &View, plan: &Value, action: String) -> Markup {
    let done = count(plan.int("/counts/applied"), "applied step", "applied steps");
    confirm(
        view,
        &Confirmation {
            label: "Undo…",
            action,
            warning: html! { p { "Makes the plan that undoes the " strong { (done) } ". People who changed since are skipped. Nothing changes before that plan is approved." } },
            fields: html! {},
            button: "Plan the inverse",
            is_dangerous: false,
        },
    )
}

/// Returns what is sent to apply a plan: the hash that the person saw, and the number of removals that they entered.
pub(in crate::http) fn apply_request(fields: &FormFields) -> Value {
    let entered = fields.get("override_removals");
    let entered = entered.map(|text| text.parse::<u64>().map_or_else(|_| json!(text), Value::from));
    let mut body = Map::new();
    body.insert("hash".to_owned(), json!(fields.get("hash").unwrap_or_default()));
    body.extend(entered.map(|number| ("override_removals".to_owned(), number)));
    Value::Object(body)
}
