//! Scripts in texts that providers and customers control: no page lets one through.

use serde_json::json;
use sqlx::PgPool;
use switchboard::domain::access::Scope;

use super::pages::{PAGES, filled};
use super::signed_in;
use crate::sync::{SyncedApp, id_of};

/// Texts that would run, or break out of where they stand, if a page did not escape them.
const CORPUS: [&str; 12] = [
    "<script>alert(1)</script>",
    "</title><script>alert(2)</script>",
    "</textarea><script>alert(3)</script>",
    "\"><img src=x onerror=alert(4)>",
    "' onmouseover='alert(5)",
    "\" autofocus onfocus=\"alert(6)",
    "<svg onload=alert(7)>",
    "<iframe srcdoc='<script>alert(8)</script>'>",
    "javascript:alert(9)",
    "--><script>alert(10)</script>",
    "{{constructor.constructor('alert(11)')()}}<b>",
    "\u{2028}<details open ontoggle=alert(12)>",
];

/// Checks that a page has no part of the corpus as markup.
fn check(path: &str, text: &str) {
    for payload in CORPUS.iter().filter(|payload| payload.contains(['<', '"'])) {
        assert!(!text.contains(payload), "{path} has {payload}");
    }
    for markup in [
        "<script>",
        "<img",
        "<svg onload",
        "<iframe srcdoc",
        "<b>",
        "<details open ontoggle",
        "href=\"javascript:",
    ] {
        assert!(!text.contains(markup), "{path} has {markup}");
    }
    // Attributes that begin with `on` are none of ours.
    let tags = text.split('<').skip(1).filter_map(|rest| rest.split('>').next());
    for tag in tags {
        let outside: String = tag.split('"').step_by(2).collect();
        assert!(!outside.contains(" on"), "{path}: <{tag}>");
    }
}

/// Stores the corpus wherever a provider or a customer chooses the text, as it would arrive from them.
async fn poison(synced: &SyncedApp) -> anyhow::Result<()> {
    let all = CORPUS.join(" ");
    for change in [
        "update directory_users set name = $1, title = $1, department = $1, username = $1, body = (body::jsonb
             || jsonb_build_object('name', $1::text, 'title', $1::text, 'department', $1::text, 'username', $1::text,
                'employee_number', $1::text, 'emails',
                jsonb_build_array(jsonb_build_object('email', $1::text, 'is_primary', true))))::json",
        "update directory_workspaces set name = $1, body = (body::jsonb || jsonb_build_object('name', $1::text))::json",
        "update directory_groups set name = $1, body = (body::jsonb || jsonb_build_object('name', $1::text))::json",
        "update directory_role_assignments set body = (body::jsonb || jsonb_build_object('role_name', $1::text))::json",
        "update integrated_accounts set organization_name = $1, tenant_id = $1, status_reason = $1",
        "update sync_runs set started_by = $1, problem = jsonb_build_object('code', $1::text, 'detail', $1::text,
             'method', null, 'resource', null)",
        "update violations set evidence = evidence || jsonb_build_object('summary', $1::text,
             'values', jsonb_build_object($1::text, $1::text)),
             acknowledgement = jsonb_build_object('reason', $1::text, 'acknowledged_by', 'x',
                'acknowledged_at', '2026-01-01T00:00:00Z', 'expires_at', '2027-01-01T00:00:00Z')",
        "update policies set name = $1",
        "update reconciliation_steps set subject = jsonb_build_object('id', $1::text, 'key', $1::text, 'name', $1::text),
             before = before || jsonb_build_object('title', $1::text, $1::text, $1::text), reason = $1, detail = $1,
             after = after || jsonb_build_object('title', $1::text, $1::text, $1::text)",
        "update reconciliations set options = options || jsonb_build_object('name', $1::text), created_by = $1,
             problem = jsonb_build_object('code', $1::text, 'detail', $1::text, 'method', null, 'resource', null),
             row_errors = jsonb_build_array(jsonb_build_object('row', 1, 'column', $1::text, 'message', $1::text))",
        "update rule_sets set name = $1,
             rules = jsonb_set(jsonb_set(jsonb_set(rules, '{0,name}', to_jsonb($1::text)),
                 '{0,when,value}', to_jsonb($1::text)), '{0,then,groups}', jsonb_build_array($1::text))",
        "update api_keys set name = $1",
        "update environments set name = $1",
        "update events set object = (coalesce(object::jsonb, '{}') || jsonb_build_object('name', $1::text,
             'role_name', $1::text, 'title', $1::text))::json, actor = jsonb_build_object('type', 'user', 'id', 'x',
             'name', $1::text)",
        "update directory_versions set actor = jsonb_build_object('type', 'user', 'id', 'x', 'name', $1::text)",
    ] {
        // A row without such a text is left as it is.
        sqlx::query(change).bind(&all).execute(&synced.app.pool).await?;
    }
    Ok(())
}

/// Returns the ids of a plan and of a rule set.
async fn planned(synced: &SyncedApp) -> anyhow::Result<(String, String)> {
    let desired = json!({"users": [{"email": "jo.iner@example.com", "title": "Clerk"}]});
    let body = json!({"integrated_account_id": synced.account, "name": "x", "desired": desired});
    let plan = id_of(&synced.api.post("reconciliations", &body).await?.body)?;
    synced.work().await?;
    let rules = json!([{"when": {"field": "department", "op": "eq", "value": "Sales"},
        "then": {"roles": ["org:admin"]}}]);
    let body = json!({"integrated_account_id": synced.account, "name": "x", "rules": rules});
    let set = synced.app.home.admin.post("rule-sets", &body).await?.created()?;
    Ok((plan, id_of(&set)?))
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn no_page_runs_a_text_of_a_provider(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.app.home.admin.send(http::Method::POST, "policies/starter", None).await?.created()?;
    synced.synced().await?;
    let stop = tokio_util::sync::CancellationToken::new();
    while synced.app.policies.work_once(&stop).await? {}
    let users = synced.all("users?source=synced&limit=100&status=active&user_type=member").await?;
    let Some(id) = users.keys().next().cloned() else { anyhow::bail!("no user") };
    synced.api.patch(&format!("users/{id}"), &json!({"title": "Before"})).await?.success()?;
    let hook = json!({"url": "https://hooks.example.com/x", "event_types": ["*"], "description": "<script>alert(1)</script>"});
    let hook = synced.app.home.admin.post("webhooks", &hook).await?.created()?;
    let hook = hook["result"]["id"].as_str().unwrap_or_default().to_owned();
    let (plan, rules) = planned(&synced).await?;
    let session = signed_in(&synced.app, &synced.app.home, Scope::ALL).await?;
    poison(&synced).await?;
    // What is read again was cached before.
    let runs = synced.app.home.api.get("syncs").await?.success()?;
    let run = runs["result"][0]["id"].as_str().unwrap_or_default().to_owned();
    let more = [
        format!("console/people/{id}"),
        format!("console/syncs/{run}"),
        format!("console/webhooks/{hook}"),
        format!("console/reconciliations/{plan}"),
        format!("console/reconciliations/{plan}?show=changes"),
        format!("console/rule-sets/{rules}"),
        format!("console/rule-sets/{rules}?person={id}"),
        "console/rule-sets/x?person=%3Cscript%3Ealert(1)%3C/script%3E".to_owned(),
        "console/events?scope=all".to_owned(),
        "console/directory?search=%3Cscript%3Ealert(1)%3C/script%3E&department=%22%3E%3Cimg src=x onerror=alert(4)%3E".to_owned(),
        "console?done=%3Cscript%3Ealert(1)%3C/script%3E".to_owned(),
        "console/policies/new?kind=%3Cscript%3Ealert(1)%3C/script%3E".to_owned(),
    ];
    let mut shown = 0;
    for path in PAGES.iter().map(|path| filled(&synced, path)).chain(more) {
        let path = path.replace(' ', "%20");
        let page = session.client.get(&path).await?;
        assert!(page.status < 500, "{path}: {}", page.text);
        check(&path, &page.text);
        shown += usize::from(page.text.contains("&lt;script&gt;alert(1)"));
    }
    assert!(shown > 12, "the corpus is on {shown} pages only");
    Ok(())
}
