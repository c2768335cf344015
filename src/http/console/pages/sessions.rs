//! Sessions of the console: who is signed in, and an end to it.

use maud::{Markup, html};

use super::super::format::count;
use super::super::parts::{Confirmation, Tone, badge, confirm, table};
use super::super::view::{Page, PageResult, View};
use crate::domain::ids::ConsoleSessionId;
use crate::http::problem::{Problem, ProblemKind};
use crate::store::ListedConsoleSession;

/// Shows the page.
pub(in crate::http) async fn show(view: &View, own: ConsoleSessionId) -> PageResult {
    if !view.may.administer {
        let detail = "Sessions are listed for keys with the scope `admin`.";
        return Err(Problem::new(ProblemKind::InsufficientScope, detail).into());
    }
    let sessions = view.db.console_sessions(view.time()).await?;
    let rows = html! { @for session in &sessions { (row(view, session, own)) } };
    let body = html! { div.card { (table("Sessions", &["Key", "Started", "Last used", "Expires", "Change"], &rows)) } };
    let total = i64::try_from(sessions.len()).unwrap_or_default();
    let lead = html! { (count(total, "session", "sessions")) " · each ends 12 hours after it was started, or with its key" };
    Ok(Page { title: "Sessions".to_owned(), lead, body, ..Page::default() })
}

fn row(view: &View, session: &ListedConsoleSession, own: ConsoleSessionId) -> Markup {
    let is_own = session.id == own;
    html! {
        tr {
            td { strong { (session.key_name) } @if is_own { " " (badge(Tone::Info, "this session")) } div.quiet { code { (session.id) } } }
            td { (view.now.when(session.created_at)) }
            td { (view.now.short(Some(session.last_used_at), "")) }
            td { (view.now.short(Some(session.expires_at), "")) }
            td { @if !is_own { (end(view, session)) } }
        }
    }
}

fn end(view: &View, session: &ListedConsoleSession) -> Markup {
    confirm(
        view,
        &Confirmation {
            label: "End…",
            action: view.href(&format!("/sessions/{}/end", session.id), &[]),
            warning: html! { p { "1 person is signed out: the browser that was signed in with " strong { (session.key_name) } " has to sign in again." } },
            fields: html! {},
            button: "End the session",
            is_dangerous: true,
        },
    )
}
