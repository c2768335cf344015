//! Rejections, failures and reads of the log are in the audit log, whose size they do not increase without bound.

use anyhow::Context as _;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{Browser, Client, TestApp, bearer, link_url};

/// Returns the selected rows of the log, once all entries are written.
async fn rows(app: &TestApp, query: &str) -> anyhow::Result<Vec<Value>> {
    app.state.uses.finish().await;
    let list = app.home.admin.get(&format!("audit-log?limit=1000&{query}")).await?.success()?;
    Ok(list.get("result").and_then(Value::as_array).context("no rows")?.clone())
}

/// Returns how many rejections of that reason the log counts, and in how many rows.
async fn refusals(app: &TestApp, reason: &str) -> anyhow::Result<(u64, usize)> {
    let rows = rows(app, "action=request.refused").await?;
    let of_it: Vec<_> = rows.iter().filter(|row| row["reason"] == reason).collect();
    assert!(of_it.iter().all(|row| row["outcome"] == "failed" && row["kind"] == "use"), "{rows:?}");
    Ok((of_it.iter().filter_map(|row| row["calls"].as_u64()).sum(), of_it.len()))
}

async fn create(app: &TestApp, body: &Value) -> anyhow::Result<(String, Client)> {
    let issued = app.home.admin.post("api-keys", body).await?.created()?;
    let field = |name: &str| issued.pointer(name).and_then(Value::as_str).unwrap_or_default();
    let key = app.anonymous()?.with("authorization", &bearer(field("/result/key")))?;
    Ok((field("/result/id").to_owned(), key))
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejections_are_counted_in_the_log(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let (id, key) = create(&app, &json!({"name": "k", "scopes": ["read"]})).await?;
    for _ in 0..50 {
        key.get("api-keys").await?.problem(403, "insufficient_scope");
    }
    assert_eq!(refusals(&app, "insufficient_scope").await?, (50, 2));
    let row = rows(&app, &format!("actor={id}")).await?.pop().context("no row")?;
    assert_eq!((&row["status"], &row["calls"]), (&json!(403), &json!(1)), "{row}");
    assert!(row["request_id"].is_string(), "{row}");

    let body = json!({"name": "far", "scopes": ["read"], "allowed_addresses": ["203.0.113.7"]});
    let (_, far) = create(&app, &body).await?;
    far.get("integrated-accounts").await?.problem(403, "address_not_allowed");
    assert_eq!(refusals(&app, "address_not_allowed").await?, (1, 1));

    // A caller still uses a revoked key.
    app.home.admin.delete(&format!("api-keys/{id}")).await?.success()?;
    key.get("integrated-accounts").await?.problem(401, "unauthorized");
    assert_eq!(refusals(&app, "unauthorized").await?, (1, 1));
    let wrong = app.anonymous()?.with("authorization", "Bearer sb_live_nobody_knows_it")?;
    wrong.get("integrated-accounts").await?.problem(401, "unauthorized");
    assert_eq!(refusals(&app, "unauthorized").await?, (1, 1), "an unknown key is in no log");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn early_rejections_of_truto_paths_are_counted(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let (_, key) = create(&app, &json!({"name": "k", "scopes": ["read"]})).await?;
    key.get("api-token").await?;
    assert_eq!(refusals(&app, "insufficient_scope").await?, (1, 1));
    let request = json!({"name": "far", "scopes": ["write"], "allowed_addresses": ["203.0.113.7"]});
    let (_, far) = create(&app, &request).await?;
    let body = Some(("application/json", "{}"));
    let rejected = far.send(Method::POST, "link-token", body).await?;
    assert_eq!(rejected.status, 403, "{}", rejected.text);
    assert_eq!(refusals(&app, "address_not_allowed").await?, (1, 1));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejected_changes_write_no_separate_rows(pool: PgPool) -> anyhow::Result<()> {
    // So slow that no permit is added during the test.
    let app = TestApp::with(pool, |setup| setup.config.limits.time_scale = 0.001).await?;
    let account = app.link("acme").await?;
    let api = app.client_for(&account)?.with("prefer", "wait=0")?;
    let call = async |name: &str| {
        let form = Some(("application/x-www-form-urlencoded", "a=b"));
        anyhow::Ok(api.send(Method::POST, &format!("proxy/api/{name}"), form).await?.status)
    };
    let mut used = 0;
    while call("invented.method").await? != 429 {
        used += 1;
        anyhow::ensure!(used < 200, "the quota is unlimited");
    }
    let before = rows(&app, "action=proxy.called").await?.len();
    for number in 0..30 {
        assert_eq!(call(&format!("invented.method{number}")).await?, 429);
    }
    let after = rows(&app, "action=proxy.called").await?;
    assert_eq!(after.len(), before, "{after:?}");
    let (reported, written) = refusals(&app, "rate_limited").await?;
    assert!(reported == 31 && written <= 3, "{reported} in {written} rows");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_exhausted_quota_is_in_the_log(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.config.quotas.link_tokens = 1).await?;
    let body = json!({"tenant_id": "acme"});
    let keyed = app.home.admin.clone().with("idempotency-key", "k")?;
    app.home.admin.post("link-tokens", &body).await?.created()?;
    for admin in [&app.home.admin, &keyed] {
        admin.post("link-tokens", &body).await?.problem(403, "quota_exceeded");
    }
    assert_eq!(refusals(&app, "quota_exceeded").await?, (2, 2));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_first_failed_links_are_logged_individually(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let link = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    let mut browser = Browser::new()?;
    for _ in 0..20 {
        let consent = browser.start_consent(&link).await?;
        let back = browser.submit_consent(&consent, "decision=cancel").await?;
        browser.get(&back).await?;
    }
    let failed = rows(&app, "action=link.failed").await?;
    assert_eq!(failed.len(), 9, "the first eight, and the sixteenth: {failed:?}");
    for row in &failed {
        assert_eq!((&row["actor"], &row["reason"]), (&json!("link"), &json!("refused")), "{row}");
        assert!(row["subject"].as_str().is_some_and(|id| id.starts_with("lnk_")), "{row}");
        assert_eq!((&row["outcome"], &row["kind"]), (&json!("failed"), &json!("change")));
    }
    // Another browser returns with a customer's state.
    let consent = browser.start_consent(&link).await?;
    let back = browser.submit_consent(&consent, "decision=approve&install=org").await?;
    let link = link_url(&app.home, &json!({"tenant_id": "globex"})).await?;
    Browser::new()?.get(&back).await?;
    assert_eq!(
        rows(&app, "action=link.failed").await?.len(),
        9,
        "the twenty-first is not among them"
    );
    let mut fresh = Browser::new()?;
    let consent = fresh.start_consent(&link).await?;
    let back = fresh.submit_consent(&consent, "decision=approve&install=org").await?;
    Browser::new()?.get(&back).await?;
    let failed = rows(&app, "action=link.failed").await?;
    let of_others = failed.iter().filter(|row| row["reason"] == "other_browser").count();
    assert_eq!(of_others, 1, "{failed:?}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reads_of_the_log_are_in_the_log(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let (id, auditor) = create(&app, &json!({"name": "auditor", "scopes": ["admin"]})).await?;
    for _ in 0..10 {
        auditor.get("audit-log?limit=1").await?.success()?;
    }
    assert_eq!(auditor.get("audit-log/export").await?.status, 200);
    let read = rows(&app, &format!("actor={id}&action=audit_log.read")).await?;
    let calls: u64 = read.iter().filter_map(|row| row["calls"].as_u64()).sum();
    assert_eq!((calls, read.len()), (10, 2), "{read:?}");
    let exported = rows(&app, &format!("actor={id}&action=audit_log.exported")).await?;
    assert_eq!(exported.len(), 1, "{exported:?}");
    Ok(())
}
