//! The pages: each shows what the API has, within its size.

use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::access::Scope;
use switchboard::sandbox::Fault;

use super::{SignedIn, signed_in};
use crate::sync::SyncedApp;

/// Every page. `ACCOUNT` is an account, `USER` a person of it.
pub(super) const PAGES: [&str; 27] = [
    "console",
    "console/directory",
    "console/people/USER",
    "console/roles",
    "console/roles/changes",
    "console/access-review",
    "console/access-review?is_privileged=true",
    "console/drift",
    "console/drift?status=all",
    "console/reconciliations",
    "console/reconciliations?status=planned",
    "console/reconciliations/new",
    "console/syncs",
    "console/events",
    "console/webhooks",
    "console/accounts",
    "console/accounts/connect",
    "console/accounts/ACCOUNT",
    "console/policies",
    "console/policies/new?kind=required_workspaces",
    "console/rule-sets",
    "console/rule-sets/new",
    "console/budgets",
    "console/audit-log",
    "console/keys",
    "console/sessions",
    "console/environment",
];
/// The maximum size of a page, in bytes.
const MAX_BYTES: usize = 150 * 1024;

/// Returns the path of a page with the ids of an account and a person.
pub(super) fn filled(synced: &SyncedApp, path: &str) -> String {
    let owner = synced.app.sandbox.with_org(|org| org.primary_owner().map(|one| one.id.clone()));
    path.replace("ACCOUNT", &synced.account).replace("USER", &owner.unwrap_or_default())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn pages_are_small_and_have_landmarks(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::with(pool, json!({}), |setup| setup.sandbox.users = 400).await?;
    synced.synced().await?;
    let session = signed_in(&synced.app, &synced.app.home, Scope::ALL).await?;
    let style = session.page("console/console.css").await?.text.len();
    let script = session.page("console/console.js").await?.text.len();
    for path in PAGES {
        let path = filled(&synced, path);
        let page = session.page(&path).await?;
        let size = page.text.len() + style + script;
        assert!(size <= MAX_BYTES, "{path} has {size} bytes");
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8", "{path}");
        for mark in [
            "<html lang=\"en\">",
            "<main",
            "<nav",
            "class=\"skip\"",
            "<h1>",
            "aria-current=\"page\"",
        ] {
            assert!(page.text.contains(mark), "{path} has no {mark}");
        }
        assert_eq!(page.text.matches("<h1>").count(), 1, "{path}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_directory_is_searched_filtered_and_paged(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let session = signed_in(&synced.app, &synced.app.home, Scope::ALL).await?;
    let users = synced.all("users?source=synced&limit=100&status=active").await?;
    let person = users.values().find(|one| one["user_type"] == "member" && one["name"].is_string());
    let person = person.cloned().unwrap_or_default();
    let name = person["name"].as_str().unwrap_or_default();
    let found =
        session.page(&format!("console/directory?{}", super::encoded(&[("search", name)]))).await?;
    assert!(found.text.contains(name), "{}", found.text);
    let none = session.page("console/directory?search=no-such-name").await?;
    assert!(none.text.contains("No match"), "{}", none.text);

    let first = session.page("console/directory?status=active").await?;
    let rows = first.text.matches("<tr>").count() - 1;
    assert_eq!(rows, 50.min(users.len()));
    let (_, rest) = first.text.split_once("rel=\"next\" href=\"").unwrap_or_default();
    let next = rest.split('"').next().unwrap_or_default().replace("&amp;", "&");
    if users.len() > 50 {
        let second = session.page(next.trim_start_matches('/')).await?;
        assert_eq!(second.text.matches("<tr>").count() - 1, users.len() - 50);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_person_shows_changes_with_before_and_after(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let users = synced.all("users?source=synced&limit=100&status=active&user_type=member").await?;
    let Some((id, before)) = users.iter().find(|(_, one)| one["title"].is_string()) else {
        anyhow::bail!("no user has a title")
    };
    synced.api.patch(&format!("users/{id}"), &json!({"title": "Rear Admiral"})).await?.success()?;
    let session = signed_in(&synced.app, &synced.app.home, Scope::ALL).await?;
    let page = session.page(&format!("console/people/{id}")).await?;
    let old = before["title"].as_str().unwrap_or_default();
    for text in ["Rear Admiral", old, "by Switchboard", "First seen in the directory"] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn views_without_a_copy_say_why(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    let session = signed_in(&synced.app, &synced.app.home, Scope::ALL).await?;
    for path in ["console/directory", "console/access-review"] {
        let page = session.page(path).await?;
        assert!(page.text.contains("No synced copy"), "{path}: {}", page.text);
        assert!(page.text.contains("Request a run of the sync"), "{path}");
    }
    let asked = session.send("console/syncs/start", &[]).await?;
    assert_eq!(asked.status, 303, "{}", asked.text);
    let page = session.page("console/syncs").await?;
    assert!(page.text.contains("queued"), "{}", page.text);
    synced.work().await?;
    let page = session.page("console/syncs").await?;
    assert!(page.text.contains("succeeded"), "{}", page.text);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_access_review_is_exported_as_csv(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let session = signed_in(&synced.app, &synced.app.home, Scope::ALL).await?;
    let csv = session.page("console/access-review.csv?is_privileged=true").await?;
    assert!(csv.header("content-type").starts_with("text/csv"), "{}", csv.header("content-type"));
    assert_eq!(csv.header("content-disposition"), "attachment; filename=\"access-review.csv\"");
    let api = synced.api.get("access-review?format=csv&is_privileged=true").await?;
    assert_eq!(csv.text, api.text);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_held_run_is_decided(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({"max_removed": {"count": 1, "percent": 0}})).await?;
    synced.synced().await?;
    let groups = synced.all("groups?source=synced").await?;
    for id in groups.keys().take(2) {
        let gone = synced.api.delete(&format!("proxy/scim/v2/Groups/{id}")).await?;
        assert_eq!(gone.status, 204, "{}", gone.text);
    }
    let run = synced.run().await?;
    assert_eq!(run["status"], "held", "{run}");
    let session = signed_in(&synced.app, &synced.app.home, Scope::ALL).await?;
    let page = session.page("console").await?;
    assert!(page.text.contains("1 held run"), "{}", page.text);
    let page = session.page("console/syncs").await?;
    assert!(page.text.contains("A run waits for a decision"), "{}", page.text);
    let missing = format!("2 of the {} groups in the copy", groups.len());
    assert!(page.text.contains(&missing), "{}", page.text);
    let id = run["id"].as_str().unwrap_or_default();
    let rejected = session.send(&format!("console/syncs/{id}/reject"), &[]).await?;
    assert_eq!(rejected.status, 303, "{}", rejected.text);
    let after = synced.read_run(id).await?;
    assert_ne!(after["status"], Value::from("held"));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn live_parts_arrive_and_end_with_the_session(pool: PgPool) -> anyhow::Result<()> {
    use futures_util::StreamExt as _;
    let synced = SyncedApp::new(pool, json!({})).await?;
    let session = signed_in(&synced.app, &synced.app.home, Scope::ALL).await?;
    let live = session.client.open(http::Method::GET, "console/syncs/live", None).await?;
    assert_eq!(live.headers()["content-type"], "text/event-stream");
    let mut parts = live.bytes_stream();
    let first = parts.next().await.transpose()?.unwrap_or_default();
    let first = String::from_utf8_lossy(&first).into_owned();
    assert!(first.starts_with("data: ") && first.ends_with("\n\n"), "{first}");
    session.send("console/sign-out", &[]).await?;
    while let Some(part) = parts.next().await {
        part?;
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_session_has_a_few_live_parts_at_most(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    let session = signed_in(&synced.app, &synced.app.home, Scope::ALL).await?;
    let other = signed_in(&synced.app, &synced.app.home, Scope::ALL).await?;
    let open = async |session: &SignedIn| {
        session.client.open(http::Method::GET, "console/syncs/live", None).await
    };
    let mut parts = Vec::new();
    for _ in 0..6 {
        let live = open(&session).await?;
        assert_eq!(live.status(), 200);
        parts.push(live);
    }
    assert_eq!(open(&session).await?.status(), 503);
    assert_eq!(open(&other).await?.status(), 200, "another session has its own");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn pages_of_runs_are_live_while_a_run_is_under_way(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    let session = signed_in(&synced.app, &synced.app.home, Scope::ALL).await?;
    let run = synced.request().await?;
    for path in ["console/syncs".to_owned(), format!("console/syncs/{run}")] {
        let page = session.page(&path).await?;
        assert!(page.text.contains("data-live=") && !page.text.contains("data-settled"), "{path}");
    }
    synced.work().await?;
    for path in ["console/syncs".to_owned(), format!("console/syncs/{run}")] {
        let page = session.page(&path).await?;
        assert!(!page.text.contains("data-live=") && page.text.contains("data-settled"), "{path}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn sizes_are_those_of_the_copy(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.app.sandbox.add_fault(Fault::refused("admin.roles.listAssignments", "missing_scope", 9));
    let run = synced.run().await?;
    assert_eq!(run["status"], "partial", "{run}");
    let people = synced.all("users?source=synced&limit=1000").await?.len();
    let session = signed_in(&synced.app, &synced.app.home, Scope::ALL).await?;
    let account = format!("console/accounts/{}", synced.account);
    for (path, text) in [
        ("console", format!("<strong>{people}</strong>")),
        ("console/directory", format!(" · {people} people")),
        (account.as_str(), format!("<strong>{people} people</strong>")),
    ] {
        let page = session.page(path).await?;
        assert!(page.text.contains(&text), "{path} has no {text}: {}", page.text);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn roles_in_channels_are_in_no_workspace(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let (user, workspace) = synced.some_member().await?;
    let role = json!({"user_id": user, "role_id": "ws:admin", "workspace_id": workspace});
    synced.api.post("role-assignments", &role).await?.created()?;
    let moved = "update directory_role_assignments set parent_id = 'C0EXAMPLE', body = (body::jsonb ||
            jsonb_build_object('scope', 'channel', 'workspace_id', null, 'channel_id', 'C0EXAMPLE'))::json
        where role_id = 'ws:admin' and user_id = $1";
    sqlx::query(moved).bind(&user).execute(&synced.app.pool).await?;
    let session = signed_in(&synced.app, &synced.app.home, Scope::ALL).await?;
    let page = session.page("console/roles").await?;
    assert!(page.text.contains("<th scope=\"row\">Channels</th>"), "{}", page.text);
    assert!(!page.text.contains("C0EXAMPLE"), "{}", page.text);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn changes_of_roles_have_the_names_of_people(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let (user, workspace) = synced.some_member().await?;
    let person = synced.api.get(&format!("users/{user}")).await?.success()?;
    let name = person["result"]["name"].as_str().unwrap_or_default();
    let session = signed_in(&synced.app, &synced.app.home, Scope::ALL).await?;
    let page = session.page("console/roles/changes").await?;
    assert!(page.text.contains("No changes of privileged roles"), "{}", page.text);
    let place = json!({"user_id": user, "team_id": workspace});
    synced.outside("admin.users.setAdmin", &place).await?;
    synced.synced().await?;
    for path in ["console", "console/roles/changes", "console/roles/changes?days=1"] {
        let page = session.page(path).await?;
        assert!(
            page.text.contains(name) && page.text.contains(" became "),
            "{path}: {}",
            page.text
        );
    }
    let page = session.page("console/events?kind=role_assignment.").await?;
    let link = format!("/console/people/{user}");
    assert!(page.text.contains(name) && page.text.contains(&link), "{}", page.text);
    synced.app.clock.advance(time::Duration::days(8));
    let session = signed_in(&synced.app, &synced.app.home, Scope::ALL).await?;
    let page = session.page("console/roles/changes").await?;
    assert!(page.text.contains("No changes of privileged roles"), "{}", page.text);
    let page = session.page("console/roles/changes?days=30").await?;
    assert!(page.text.contains(name), "{}", page.text);
    Ok(())
}
