//! Lists whose pages form a cycle, followed by the caller, by the proxy and within a request.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use http::Method;
use serde_json::Value;
use sqlx::PgPool;

use super::rewriting;
use crate::support::{Client, Script, TestApp};

/// More pages than any of these lists has before its cycle is detected.
const MAX_PAGES: usize = 40;

/// Gives every page a cursor from a cycle of this length.
fn cycle(length: usize) -> Script {
    let pages = AtomicUsize::new(0);
    rewriting(move |text| {
        let Ok(mut body) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
        if let Some(metadata) = body.get_mut("response_metadata").and_then(Value::as_object_mut) {
            let page = pages.fetch_add(1, Ordering::Relaxed) % length;
            metadata.insert("next_cursor".to_owned(), format!("cycle{page}").into());
        }
        body.to_string()
    })
}

/// Follows a list by its cursors until a problem ends it; returns that problem.
async fn follow_cursors(api: &Client, path: &str) -> anyhow::Result<Value> {
    let mut at = path.to_owned();
    for _ in 0..MAX_PAGES {
        let page = api.get(&at).await?;
        if page.status != 200 {
            return Ok(page.problem(502, "provider_error").clone());
        }
        let next = page.body.get("next_cursor").and_then(Value::as_str);
        let next = next.with_context(|| format!("{path} ended: {}", page.text))?;
        at = format!("{path}&next_cursor={next}");
    }
    anyhow::bail!("{path} is endless")
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn ends_a_list_whose_cursors_repeat(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    // The sandbox rejects cursors that it did not issue; the fault proxy removes them.
    for length in [1, 2, 5] {
        let (url, fault_proxy) = app.through_fault_proxy(|_| {}).await?;
        let api = app.client_for(&account)?.at(url);
        fault_proxy.drop_parameter("cursor");
        fault_proxy.set("", cycle(length));
        for path in ["workspaces?limit=2", "role-assignments?limit=20&role[id]=org:member"] {
            let problem = follow_cursors(&api, path).await?;
            let detail = problem["detail"].as_str().unwrap_or_default();
            assert!(detail.contains("pages repeat"), "{length} {path}: {detail}");
        }
        let raw = api.get("proxy/api/admin.teams.list?limit=2&paginate=true").await?;
        assert!(raw.text.contains("pages repeat"), "{length}: {}", raw.text);
        assert!(raw.text.lines().count() <= 2 * 2 * (length + 1) + 1, "{length}: {}", raw.text);
        // A list that is read within a request: the admins of a workspace.
        let one = api.get("workspaces?limit=2&expand[]=owners").await?;
        assert!(one.text.contains("pages repeat"), "{length}: {}", one.text);
    }
    let none = app.client_for(&account)?.send(Method::GET, "workspaces?limit=2", None).await?;
    none.success()?;
    Ok(())
}
