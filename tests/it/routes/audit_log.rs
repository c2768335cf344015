//! `/audit-log`: which key did what to which account; entries are immutable and contain no personal data.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{Client, TestApp};

/// Returns the rows of a list, once there are as many as expected: usage entries are written within a second.
async fn rows(admin: &Client, query: &str, wanted: usize) -> anyhow::Result<Vec<Value>> {
    let began = Instant::now();
    loop {
        let list = admin.get(&format!("audit-log?{query}")).await?.success()?;
        let rows = list.get("result").and_then(Value::as_array).context("no rows")?.clone();
        if rows.len() >= wanted {
            return Ok(rows);
        }
        let took = began.elapsed();
        anyhow::ensure!(took < Duration::from_secs(5), "{query}: still {list} after {took:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn form(api: &Client, path: &str, id: &str) -> anyhow::Result<u16> {
    let api = api.clone().with("x-request-id", id)?;
    let body = Some(("application/x-www-form-urlencoded", "user_id=U0SECRET&email=a%40b.example"));
    Ok(api.send(Method::POST, path, body).await?.status)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn every_call_with_an_accounts_token_is_logged(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let (admin, api) = (&app.home.admin, app.client_for(&account)?);
    let before = rows(admin, "kind=use", 0).await?.len();
    assert_eq!(before, 0);
    let raw = api.clone().with("x-request-id", "raw-1")?;
    raw.get("proxy/api/auth.test?token=U0SECRET").await?.success()?;
    let read = api.clone().with("x-request-id", "read-1")?;
    read.get("users?limit=1&email=somebody%40example.com").await?;

    let reported = rows(admin, "kind=use&request_id=raw-1", 1).await?;
    let row = &reported[0];
    assert_eq!(row["action"], "proxy.called");
    assert_eq!(row["provider_method"], "auth.test");
    assert_eq!((&row["status"], &row["outcome"]), (&json!(200), &json!("answered")));
    assert_eq!(row["integrated_account_id"], account);
    assert!(row["duration_ms"].is_u64() && row["actor"].as_str().unwrap().starts_with("key_"));
    let reported = rows(admin, "kind=use&request_id=read-1", 1).await?;
    assert!(reported.iter().all(|row| row["action"] == "directory.called"), "{reported:?}");

    let text = admin.get("audit-log").await?.text;
    for secret in ["U0SECRET", "somebody", "example.com"] {
        assert!(!text.contains(secret), "{text}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn identical_calls_are_aggregated_and_none_is_missing(pool: PgPool) -> anyhow::Result<()> {
    const CALLS: u64 = 60;
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    for _ in 0..CALLS {
        api.get("proxy/api/auth.test").await?.success()?;
    }
    let other = api.clone().with("x-request-id", "other")?;
    other.get("proxy/api/team.info").await?.success()?;
    rows(&app.home.admin, "provider_method=team.info&request_id=other", 1).await?;
    let reported = rows(&app.home.admin, "provider_method=auth.test&limit=100", 1).await?;
    let calls = |row: &Value| row.get("calls").and_then(Value::as_u64).unwrap_or_default();
    assert_eq!(reported.iter().map(calls).sum::<u64>(), CALLS, "{reported:?}");
    let (many, single): (Vec<_>, Vec<_>) = reported.iter().partition(|row| calls(row) > 1);
    assert!(!many.is_empty() && single.len() >= 10, "{reported:?}");
    assert!(many.iter().all(|row| row["request_id"].is_null()), "{many:?}");
    assert!(single.iter().all(|row| row["request_id"].is_string()), "{single:?}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_raw_change_is_logged_before_it_is_sent(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    form(&api, "proxy/api/admin.users.session.reset", "change-1").await?;
    // Immediately, whatever is buffered.
    let rows_now = rows(&app.home.admin, "request_id=change-1&kind=change", 1).await?;
    assert!(rows_now.iter().any(|row| row["outcome"] == "started"), "{rows_now:?}");
    app.state.uses.finish().await;
    let mut reported = rows(&app.home.admin, "request_id=change-1&kind=change", 2).await?;
    reported.sort_by_key(|row| row["outcome"].to_string());
    assert_eq!(reported.len(), 2, "{reported:?}");
    assert_eq!(
        (&reported[0]["outcome"], &reported[0]["status"]),
        (&json!("answered"), &json!(200))
    );
    assert_eq!(
        (&reported[1]["outcome"], &reported[1]["status"]),
        (&json!("started"), &Value::Null)
    );
    assert!(reported.iter().all(|row| row["provider_method"] == "admin.users.session.reset"));
    // A read by POST is not a change.
    form(&api, "proxy/api/users.info", "read-1").await?;
    app.state.uses.finish().await;
    assert_eq!(rows(&app.home.admin, "request_id=read-1&kind=use", 1).await?.len(), 1);
    assert!(rows(&app.home.admin, "request_id=read-1&kind=change", 0).await?.is_empty());
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_unknown_method_counts_as_a_change(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    for (method, path, is_change) in [
        (Method::GET, "api/users.profile.erase", true),
        (Method::HEAD, "api/users.profile.erase", true),
        (Method::POST, "audit/v1/logs", true),
        (Method::GET, "audit/v1/logs", false),
        (Method::GET, "api/users.info", false),
        (Method::GET, "scim/v2/Users?count=1", false),
        (Method::OPTIONS, "scim/v2/Users", true),
    ] {
        let id = format!("{}-{}", method, path.replace(['/', '?', '='], "."));
        let caller = api.clone().with("x-request-id", &id)?;
        caller.send(method, &format!("proxy/{path}"), None).await?;
        let filter = format!("request_id={id}&kind=change");
        let reported = app.home.admin.get(&format!("audit-log?{filter}")).await?.success()?;
        let rows = reported["result"].as_array().map_or(&[][..], Vec::as_slice);
        let is_recorded = rows.iter().any(|row| row["outcome"] == "started");
        assert_eq!(is_recorded, is_change, "{id}: {reported}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_caller_that_disconnects_is_logged(pool: PgPool) -> anyhow::Result<()> {
    use switchboard::sandbox::{Fault, FaultKind};
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?.with("x-request-id", "gone-1")?;
    let slow = Fault::for_next_calls("auth.test", FaultKind::Timeout, 1);
    app.sandbox.add_fault(Fault { seconds: Some(20.0), ..slow });
    let call = api.get("proxy/api/auth.test");
    assert!(tokio::time::timeout(Duration::from_millis(500), call).await.is_err());
    let reported = rows(&app.home.admin, "request_id=gone-1", 1).await?;
    assert_eq!(
        (&reported[0]["outcome"], &reported[0]["status"]),
        (&json!("abandoned"), &Value::Null)
    );
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_log_is_paged_filtered_and_exported(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let admin = &app.home.admin;
    for field in ["a", "b", "c", "d"] {
        app.clock.advance(time::Duration::minutes(10));
        let body = json!({"resource": "users", "field": field, "expression": "1"});
        admin.post("mappings", &body).await?.created()?;
    }
    let (all, pages) = admin.all("audit-log?limit=2").await?;
    assert!(pages > 2 && all.len() >= 6, "{all:?}");
    let at = |row: &Value| row["at"].as_str().unwrap_or_default().to_owned();
    assert!(all.is_sorted_by(|one, next| at(one) >= at(next)), "{all:?}");
    let mut ids: Vec<&str> = all.iter().filter_map(|row| row["id"].as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all.len());

    let issued = rows(admin, "action=mapping.created", 4).await?;
    assert_eq!(issued.len(), 4);
    let actor = issued[0]["actor"].as_str().context("no actor")?;
    assert_eq!(rows(admin, &format!("actor={actor}&action=mapping.created"), 4).await?.len(), 4);
    let linked = rows(admin, &format!("integrated_account_id={account}&kind=change"), 1).await?;
    assert!(linked.iter().any(|row| row["action"] == "integrated_account.linked"), "{linked:?}");
    let moment = at(&issued[1]);
    let since = rows(admin, &format!("action=mapping.created&from={moment}"), 2).await?;
    assert_eq!(since.len(), 2);
    let until = rows(admin, &format!("action=mapping.created&to={moment}"), 2).await?;
    assert_eq!(until.len(), 2);

    let cursor = admin.get("audit-log?limit=2").await?.success()?["next_cursor"].clone();
    let cursor = cursor.as_str().context("no cursor")?;
    let elsewhere = format!("audit-log?limit=2&kind=change&next_cursor={cursor}");
    admin.get(&elsewhere).await?.problem(400, "invalid_cursor");
    let other = app.tenant("other").await?.admin;
    let stolen = format!("audit-log?limit=2&next_cursor={cursor}");
    other.get(&stolen).await?.problem(400, "invalid_cursor");
    for wrong in ["outcome=great", "kind=read", "from=yesterday", "who=me", "actor=a&actor=b"] {
        admin.get(&format!("audit-log?{wrong}")).await?.problem(400, "invalid_query");
    }

    app.state.uses.finish().await;
    let export = admin.get("audit-log/export").await?;
    assert_eq!(export.header("content-type"), "application/x-ndjson");
    let lines: Vec<Value> =
        export.text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let (all, _) = admin.all("audit-log?limit=2").await?;
    assert_eq!(lines, all);
    let export = admin.get("audit-log/export?action=mapping.created").await?;
    assert_eq!(export.text.lines().count(), 4);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_long_export_has_every_row_once(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    sqlx::query(
        "insert into audit_log (environment_id, audit_id, at, actor, action, outcome)
         select environment_id, 'aud_01J8ZQ5V9Y3M7T2K4N6P' || lpad(n::text, 6, '0'), now(), 'key_1', 'many', 'done'
         from environments, generate_series(1, 2500) n",
    )
    .execute(&app.pool)
    .await?;
    let export = app.home.admin.get("audit-log/export?action=many").await?;
    let mut lines: Vec<&str> = export.text.lines().collect();
    lines.dedup();
    assert_eq!(lines.len(), 2500);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_database_rejects_changes_to_the_log(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    for change in [
        "update audit_log set actor = 'nobody'",
        "delete from audit_log",
        "truncate audit_log",
        "truncate environments cascade",
        "delete from environments",
    ] {
        let rejected = sqlx::query(change).execute(&app.pool).await;
        let error = rejected.err().with_context(|| format!("{change} was done"))?.to_string();
        assert!(error.contains("append-only"), "{change}: {error}");
    }
    let owns: bool = sqlx::query_scalar(
        "select exists (select from pg_class, aclexplode(relacl) a where relname = 'audit_log'
             and a.privilege_type in ('UPDATE', 'DELETE', 'TRUNCATE'))",
    )
    .fetch_one(&app.pool)
    .await?;
    assert!(!owns, "the owner may change it");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn only_old_rows_are_purged(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    sqlx::query(
        "insert into audit_log (environment_id, audit_id, at, actor, action, outcome)
         select environment_id, 'aud_01J8ZQ5V9Y3M7T2K4N6P8R' || lpad(n::text, 4, '0'),
             now() - n * interval '40 days', 'key_1', 'long_ago', 'done'
         from environments, generate_series(1, 5) n",
    )
    .execute(&app.pool)
    .await?;
    let store = &app.state.store;
    let now = switchboard::domain::clock::Clock::now(&app.clock);
    assert_eq!(store.purge_audit_log(now - time::Duration::days(150)).await?, 2);
    assert!(store.purge_audit_log(now).await.is_err());
    assert_eq!(rows(&app.home.admin, "action=long_ago", 3).await?.len(), 3);
    Ok(())
}

/// Returns the largest of some metrics of the audit log.
async fn largest(app: &TestApp, figure: &str) -> anyhow::Result<i32> {
    let query = format!("SELECT coalesce(max({figure}), 0) FROM audit_log");
    Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(&app.pool).await?)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn names_invented_by_callers_fill_neither_log_nor_buckets(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let (admin, api) = (&app.home.admin, app.client_for(&account)?);
    let long = "x".repeat(5_000);
    for path in ["api", "audit/v1"] {
        let rejected = api.get(&format!("proxy/{path}/{long}")).await?;
        // In the provider's error format, where it has one.
        assert!(rejected.text.contains("no such path"), "{}", rejected.text);
    }
    let budgets = app.state.limiter.stats().buckets;
    for number in 0..20 {
        api.get(&format!("proxy/api/invented.method{number}")).await?;
        api.get(&format!("proxy/audit/v1/invented{number}")).await?;
    }
    let invented = app.state.limiter.stats().buckets.saturating_sub(budgets);
    assert!(invented <= 2, "{invented} budgets for names that no provider has");
    api.get(&format!("proxy/scim/v2/{long}/1")).await?;
    let verb = Method::from_bytes("X".repeat(300).as_bytes())?;
    api.send(verb, "proxy/scim/v2/Users", None).await?;
    api.patch(&format!("users/{long}"), &json!({"title": "x"})).await?;
    api.delete(&format!("groups/{long}")).await?;
    rows(admin, "provider_method=scim.other.get", 1).await?;
    for figure in ["octet_length(provider_method)", "octet_length(subject)", "octet_length(actor)"]
    {
        let bytes = largest(&app, figure).await?;
        assert!(bytes <= 255, "{figure}: {bytes}");
    }
    Ok(())
}
