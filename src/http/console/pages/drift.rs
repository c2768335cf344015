//! Drift: violations of policies by severity, each with its evidence, its fix and its acknowledgement.

use maud::{Markup, html};
use serde_json::Value;
use time::{Duration, OffsetDateTime};

use super::super::format::{count, rfc3339, words};
use super::super::json::Fields as _;
use super::super::names::{HeldRoles, Names};
use super::super::parts::{
    Confirmation, Tone, confirm, empty, facts, options, pager, select, status,
};
use super::super::view::{Page, PageError, PageResult, View};
use super::timeline::actor;
use crate::domain::sync::CopyKind;
use crate::http::internal_api::segment;

/// The filters in the URL.
const FILTERS: [&str; 3] = ["status", "severity", "policy"];
/// Violations on a page.
const LIMIT: &str = "30";

/// People of a violation that are named.
const MAX_PEOPLE: usize = 10;

/// What the violations of a page refer to.
struct DriftContext {
    people: Names,
    workspaces: Names,
    groups: Names,
    roles: HeldRoles,
    /// When the policies of the account were last evaluated.
    evaluated_at: Option<OffsetDateTime>,
}

/// Shows the page.
pub(in crate::http) async fn show(view: &View) -> PageResult {
    let account_id = view.selected()?.id;
    let evaluated_at = view.db.policies_evaluated_at(account_id).await?;
    let counts = view.db.attention(Some(account_id), view.time()).await?;
    let retained: Vec<&str> = FILTERS.into_iter().chain(["cursor"]).collect();
    let live = view.href("/drift/live", &view.query.only(&retained));
    let (cards, is_settled) = cards(view).await?;
    let body = html! {
        (filters(view, wanted(view)))
        div data-live=[(!is_settled).then_some(live)] { (cards) }
    };
    let lead = html! {
        span.dot aria-hidden="true" {} "Policies evaluated " (view.now.short(evaluated_at, "never"))
        " · " (count(counts.open, "open violation", "open violations")) ", " (counts.critical) " critical"
    };
    let actions = html! { @if view.base == "/console" { a.button href=(view.href("/policies", &[])) { "Policies" } } };
    Ok(Page { title: "Drift".to_owned(), lead, actions, body })
}

/// Returns the status of the violations that are shown.
fn wanted(view: &View) -> &str {
    view.query.get("status").unwrap_or("open")
}

/// Renders the part of the page that changes when policies are evaluated after a fix.
pub(in crate::http) async fn fragment(view: &View) -> Result<Markup, PageError> {
    Ok(cards(view).await?.0)
}

/// Renders the violations; returns whether none was fixed since the policies were last evaluated.
async fn cards(view: &View) -> Result<(Markup, bool), PageError> {
    let account = view.account_id()?;
    let get = |name| view.query.get(name);
    let wanted = wanted(view);
    let mut query = vec![("integrated_account_id", account.as_str()), ("limit", LIMIT)];
    if wanted != "all" {
        query.push(("status", wanted));
    }
    let others = [("severity", "severity"), ("policy_id", "policy"), ("next_cursor", "cursor")];
    query.extend(others.into_iter().filter_map(|(name, own)| Some((name, get(own)?))));
    let list = view.api.get("/drift", &query).await?;
    let mut violations: Vec<&Value> = list.list("result").iter().collect();
    let people: Vec<&str> =
        violations.iter().flat_map(|one| one.field("evidence").texts("user_ids")).collect();
    let fixes = violations.iter().flat_map(|one| one.list("fix"));
    let groups: Vec<&str> = fixes.filter_map(|fix| fix.some("group_id")).collect();
    let context = DriftContext {
        people: Names::of(view, CopyKind::User, &people).await?,
        workspaces: Names::workspaces(view).await?,
        groups: Names::of(view, CopyKind::Group, &groups).await?,
        roles: HeldRoles::of(view).await?,
        evaluated_at: view.db.policies_evaluated_at(view.selected()?.id).await?,
    };
    violations.sort_by_key(|one| (is_fixed(one, &context), severity_rank(one.text("severity"))));
    let is_settled = !violations.iter().any(|one| is_fixed(one, &context));
    let cards = html! {
        div data-settled[is_settled] {
            @if violations.is_empty() {
                div.card { (none(wanted)) }
            }
            @for violation in &violations { (card(view, violation, &context)) }
            (pager(view, "/drift", &FILTERS, &list))
        }
    };
    Ok((cards, is_settled))
}

/// Whether a fix has changed something since the policies were last evaluated.
fn is_fixed(violation: &Value, context: &DriftContext) -> bool {
    let operations = violation.field("last_fix").list("operations");
    let is_changed = operations.iter().any(|one| one.text("outcome") == "applied");
    is_changed
        && violation
            .time("/last_fix/at")
            .is_some_and(|fixed| context.evaluated_at.is_none_or(|evaluated| evaluated < fixed))
}

fn none(wanted: &str) -> Markup {
    match wanted {
        "open" => empty(
            "No open violations",
            &html! { "Every policy holds in the copy of this directory, or no policy applies to it." },
        ),
        _ => empty("No violations", &html! { "No violation matches these filters." }),
    }
}

fn severity_rank(severity: &str) -> u8 {
    match severity {
        "critical" => 0,
        "warning" => 1,
        _ => 2,
    }
}

fn filters(view: &View, wanted: &str) -> Markup {
    let statuses = options(&[
        ("open", "Open"),
        ("acknowledged", "Acknowledged"),
        ("pending", "Pending"),
        ("resolved", "Resolved"),
        ("all", "All"),
    ]);
    let severities = options(&[("critical", "Critical"), ("warning", "Warning"), ("info", "Info")]);
    html! {
        form.filters.bare method="get" action=(view.href("/drift", &[])) data-auto {
            (view.account_field())
            @if let Some(policy) = view.query.get("policy") { input type="hidden" name="policy" value=(policy); }
            (select(("status", "Status"), None, &statuses, Some(wanted)))
            (select(("severity", "Severity"), Some("Any severity"), &severities, view.query.get("severity")))
            button type="submit" { "Apply" }
            @if view.query.get("policy").is_some() { a href=(view.href("/drift", &[])) { "All policies" } }
        }
    }
}

fn card(view: &View, violation: &Value, context: &DriftContext) -> Markup {
    let severity = violation.text("severity");
    let class = format!("card violation {}", Tone::of_status(severity).class());
    let is_open = matches!(violation.text("status"), "open" | "acknowledged");
    let is_fixed = is_fixed(violation, context);
    html! {
        article class=(class) id=(violation.text("id")) {
            header {
                (status(severity)) " "
                h2 { (violation.text("/evidence/summary")) }
                span.quiet { @if is_fixed { "the fix was run; the policy is evaluated next" } @else { (state(view, violation)) } }
            }
            p.quiet {
                "Policy “" (violation.text("policy_name")) "” · first seen " (view.now.when_or(violation.time("first_seen_at"), ""))
                (subjects(view, violation, &context.people))
            }
            @let rows = evidence(view, violation, context);
            @if !rows.is_empty() { (facts(&rows)) }
            @if is_open && !is_fixed {
                div.actions {
                    @if view.may.apply && !violation.list("fix").is_empty() { (fix(view, violation, context)) }
                    @if view.may.acknowledge { (acknowledgement(view, violation)) }
                }
            }
        }
    }
}

fn state(view: &View, violation: &Value) -> Markup {
    html! {
        @match violation.text("status") {
            "open" => { "open " (view.now.lasting(violation.time("opened_at"))) },
            "resolved" => { "resolved " (view.now.short(violation.time("resolved_at"), "")) },
            other => (status(other)),
        }
    }
}

/// Renders links to the people of a violation.
fn subjects(view: &View, violation: &Value, people: &Names) -> Markup {
    let ids = violation.field("evidence").texts("user_ids");
    html! {
        @for (place, id) in ids.iter().take(MAX_PEOPLE).enumerate() {
            (if place == 0 { " · " } else { ", " })
            a href=(view.href(&format!("/people/{}", segment(id)), &[])) { (people.get(id)) }
        }
        @if ids.len() > MAX_PEOPLE { " and " (ids.len() - MAX_PEOPLE) " more" }
    }
}

fn evidence(view: &View, violation: &Value, context: &DriftContext) -> Vec<(&'static str, Markup)> {
    let mut rows = Vec::new();
    for grant in violation.field("evidence").list("grants").iter().take(5) {
        rows.push(("Granted", html! {
            strong { (grant.some("name").unwrap_or_else(|| grant.text("id"))) }
            @if let Some(id) = grant.some("workspace_id") { " in " (context.workspaces.get(id)) }
            " · " @if grant.time("granted_at").is_none() && grant.flag("is_older_than_sync") { "before the first sync" } @else { (view.now.when_or(grant.time("granted_at"), "unknown when")) }
            @if !grant.field("granted_by").is_null() { " · " (actor(grant.field("granted_by"))) }
            @if let Some(at) = grant.time("revoked_at") { " · removed " (view.now.when(at)) }
            @if !grant.field("revoked_by").is_null() { " · " (actor(grant.field("revoked_by"))) }
        }));
    }
    let values = violation.field("/evidence/values");
    let present = values.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    for (name, value) in present {
        rows.push((
            "Evidence",
            html! {
                (words(name)) ": "
                @match values.time(name) {
                    Some(at) => { (view.now.when(at)) },
                    None => { (value.as_str().map_or_else(|| value.to_string(), str::to_owned)) },
                }
            },
        ));
    }
    if !violation.list("fix").is_empty() {
        rows.push(("Fix", operations(violation.list("fix"), context)));
    }
    if let Some(why) = violation.some("fix_unavailable") {
        rows.push(("No automatic fix", html! { (why) }));
    }
    if violation.some("/acknowledgement/reason").is_some() {
        rows.push(("Acknowledged", html! {
            (violation.text("/acknowledgement/reason")) " · until " (view.now.when_or(violation.time("/acknowledgement/expires_at"), ""))
        }));
    }
    for done in violation.field("last_fix").list("operations") {
        rows.push(("Last fix", html! { (status(done.text("outcome"))) " " (operation(done.field("operation"), context)) @if let Some(why) = done.some("detail") { ": " (why) } }));
    }
    rows
}

fn operations(fix: &[Value], context: &DriftContext) -> Markup {
    html! { ul.plain { @for one in fix { li { (operation(one, context)) } } } }
}

fn operation(one: &Value, context: &DriftContext) -> Markup {
    let person = context.people.get(one.text("user_id"));
    let role = context.roles.name(one.text("role_id"));
    let group = context.groups.get(one.text("group_id"));
    let place = one.some("workspace_id").map(|id| context.workspaces.get(id));
    html! {
        @match one.text("type") {
            "role_assignment.revoke" => { "Revoke the role " strong { (role) } " of " (person) @if let Some(place) = place { " in " (place) } },
            "role_assignment.grant" => { "Grant the role " strong { (role) } " to " (person) @if let Some(place) = place { " in " (place) } },
            "group_member.add" => { "Add " (person) " to the group " strong { (group) } },
            "user.update" => { "Change the profile of " (person) },
            "workspace_member.add" => { "Add " (person) " to " (place.unwrap_or_default()) },
            "workspace_member.remove" => { "Remove " (person) " from " (place.unwrap_or_default()) },
            "group_member.remove" => { "Remove " (person) " from the group " strong { (group) } },
            "user.deactivate" => { "Deactivate " (person) },
            "user.expire" => { "End the access of " (person) " in " (one.int("in_days")) " days" },
            other => { (words(other)) " " (person) },
        }
    }
}

fn fix(view: &View, violation: &Value, context: &DriftContext) -> Markup {
    let mut touched: Vec<&str> =
        violation.list("fix").iter().map(|one| one.text("user_id")).collect();
    touched.sort_unstable();
    touched.dedup();
    let persons = count(i64::try_from(touched.len()).unwrap_or_default(), "person", "people");
    confirm(
        view,
        &Confirmation {
            label: "Fix…",
            action: view.href(&format!("/drift/{}/fix", segment(violation.text("id"))), &[]),
            warning: html! {
                p { "This changes the directory at the provider for " strong { (persons) } ":" }
                (operations(violation.list("fix"), context))
                p { "A revoked role or membership is not restored automatically. Primary owners, the last owner of a place and the person whose token is used are never changed." }
            },
            fields: html! {},
            button: "Run the fix",
            is_dangerous: true,
        },
    )
}

fn acknowledgement(view: &View, violation: &Value) -> Markup {
    let ends = [(7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "a year")]
        .map(|(days, text)| (rfc3339(view.time() + Duration::days(days)), text.to_owned()));
    let chosen = ends.get(1).map(|(at, _)| at.clone());
    confirm(
        view,
        &Confirmation {
            label: "Acknowledge…",
            action: view
                .href(&format!("/drift/{}/acknowledge", segment(violation.text("id"))), &[]),
            warning: html! { p { "The violation is accepted: it is not fixed, and not reported until the end. Nothing changes in the directory." } },
            fields: html! {
                label.field { span { "Reason" } textarea name="reason" required maxlength="1000" rows="2" {} }
                (select(("expires_at", "Until"), None, &ends, chosen.as_deref()))
            },
            button: "Acknowledge",
            is_dangerous: false,
        },
    )
}
