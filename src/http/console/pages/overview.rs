//! The overview: what needs attention, the state of the copy, changes a day, and the latest changes of power.

use maud::{Markup, html};

use super::super::format::{count, number};
use super::super::json::Fields as _;
use super::super::parts::{Tone, status};
use super::super::svg::{DAYS, first_day, sparkline};
use super::super::view::{Page, PageResult, View};
use super::role_changes::RoleChanges;
use crate::domain::sync::CopyKind;
use crate::store::AttentionCounts;

/// Changes of privileged roles that are shown.
const ROLE_CHANGES: i64 = 8;
/// The days whose changes of privileged roles are shown.
const ROLE_CHANGE_DAYS: i64 = 30;

/// Shows the page.
pub(in crate::http) async fn show(view: &View) -> PageResult {
    let account = view.selected()?;
    let counts = view.db.attention(Some(account.id), view.time()).await?;
    let synced = view.db.copies_synced_at(&[account.id]).await?;
    let synced_at = synced.first().map(|(_, at)| *at);
    let days = view.db.daily_changes(account.id, first_day(view.time()), DAYS).await?;
    let sizes = view.db.copy_sizes(account.id).await?;
    let size = |kind| sizes.iter().find(|(of, _)| *of == kind).map(|(_, size)| *size);
    let role_changes = RoleChanges::read(view, ROLE_CHANGE_DAYS, None, ROLE_CHANGES).await?;
    let lead = html! {
        (account.value.text("/organization/name")) " · " (status(account.value.text("status")))
        " · " @if synced_at.is_some() { span.dot aria-hidden="true" {} "Synced " } (view.now.short(synced_at, "no copy yet"))
    };
    let body = html! {
        section aria-labelledby="attention" { h2.hidden #attention { "Needs attention" } (attention(view, &counts)) }
        div.tiles {
            (tile(size(CopyKind::User), "people in the copy", &view.href("/directory", &[])))
            (tile(size(CopyKind::Workspace), "workspaces", &view.href("/roles", &[])))
            (tile(size(CopyKind::Group), "groups", &view.href("/access-review", &[("access_type", "group")])))
            (tile(size(CopyKind::RoleAssignment), "role assignments", &view.href("/roles", &[])))
        }
        section.card aria-labelledby="role-changes" {
            h2 #role-changes { "Latest changes of privileged roles" }
            (role_changes.render(view))
            p { a href=(view.href("/roles/changes", &[])) { "All changes of the last 7 days" } }
        }
        section.card aria-labelledby="changes" { h2 #changes { "Changes per day" } (sparkline(&days)) }
    };
    let actions = html! { @if view.may.administer { a.button href="/console/accounts/connect" { "Connect a customer" } } };
    Ok(Page { title: "Overview".to_owned(), lead, actions, body })
}

fn tile(size: Option<u64>, what: &str, href: &str) -> Markup {
    let size = size.and_then(|size| i64::try_from(size).ok());
    html! {
        a.tile href=(href) {
            strong { @match size { Some(size) => (number(size)), None => "–" } }
            span.quiet { (what) }
        }
    }
}

fn attention(view: &View, counts: &AttentionCounts) -> Markup {
    let rows = [
        (
            counts.critical,
            Tone::Bad,
            "critical violation",
            "critical violations",
            "/drift",
            "Policies with the severity “critical” are violated.",
        ),
        (
            counts.open - counts.critical,
            Tone::Warn,
            "other open violation",
            "other open violations",
            "/drift",
            "Policies are violated.",
        ),
        (
            counts.held,
            Tone::Warn,
            "held run",
            "held runs",
            "/syncs",
            "A run of the sync would remove too much and waits for a decision.",
        ),
        (
            counts.failed_plans,
            Tone::Bad,
            "failed reconciliation",
            "failed reconciliations",
            "/reconciliations",
            "Steps of a plan failed, or the plan could not be made.",
        ),
        (
            counts.plans,
            Tone::Warn,
            "plan to approve",
            "plans to approve",
            "/reconciliations",
            "Nothing changes until the plan is applied; it expires.",
        ),
        (
            counts.needs_reauth,
            Tone::Bad,
            "account to connect again",
            "accounts to connect again",
            "/accounts",
            "The customer's grant is invalid.",
        ),
        (
            counts.failing_webhooks,
            Tone::Warn,
            "failing webhook",
            "failing webhooks",
            "/webhooks",
            "Events wait until the endpoint accepts them.",
        ),
    ];
    let is_calm = rows.iter().all(|(number, ..)| *number == 0);
    html! {
        @if is_calm { p.notice.good { "Nothing needs attention: no open violations, held runs, waiting or failed plans, invalid grants or failing webhooks." } }
        @else {
            ul.attention {
                @for (number, tone, one, many, path, why) in rows.iter().filter(|(number, ..)| *number > 0) {
                    li class=(tone.class()) { a href=(view.href(path, &[])) { (count(*number, one, many)) } span.quiet { " " (why) } }
                }
            }
        }
    }
}
