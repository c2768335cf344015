//! Deliveries as they are listed, and what a caller requests: resends, replays, and the end of an outage.

use anyhow::Context as _;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::ids::{DeliveryId, EventId};
use switchboard::domain::webhook::DELIVERY_RETENTION;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::{create, path_of, text};
use crate::support::{ApiResponse, TestApp};

const URL: &str = "https://hooks.example.com/switchboard";

/// A delivery of the first event of the feed to a webhook.
struct Row<'a> {
    webhook: &'a Value,
    status: &'static str,
    attempted_at: OffsetDateTime,
    is_test: bool,
}

impl<'a> Row<'a> {
    fn new(app: &TestApp, webhook: &'a Value, status: &'static str) -> Self {
        Self { webhook, status, attempted_at: app.state.clock.now(), is_test: false }
    }

    /// Inserts the delivery and returns its path.
    async fn insert(&self, app: &TestApp) -> anyhow::Result<String> {
        let (clock, entropy) = (&*app.state.clock, &*app.state.entropy);
        let id = DeliveryId::generate(clock, entropy).text();
        let attempts = json!([{"at": self.attempted_at.format(&Rfc3339)?, "duration_ms": 7,
            "response_status": 500, "response_body": "out of order", "error": null}]);
        let rows = sqlx::query(
            "insert into webhook_deliveries
             select environment_id, $2, $3, case when $4 then $5 else event_id end,
                 case when $4 then 'webhook.test' else type end, case when $4 then null else position end,
                 $6, 10, $7, case when $6 = 'pending' then $8 + interval '10 hours' end, $8
             from events where environment_id = $1 order by position limit 1",
        )
        .bind(app.home.environment_id.to_string())
        .bind(text(self.webhook, "id")?)
        .bind(&id)
        .bind(self.is_test)
        .bind(EventId::generate(clock, entropy).text())
        .bind(self.status)
        .bind(attempts)
        .bind(clock.now())
        .execute(&app.pool)
        .await?;
        assert_eq!(rows.rows_affected(), 1, "no event is stored");
        Ok(format!("{}/deliveries/{id}", path_of(self.webhook)?))
    }
}

async fn resend(app: &TestApp, delivery: &str) -> anyhow::Result<ApiResponse> {
    app.home.admin.send(Method::POST, &format!("{delivery}/resend"), None).await
}

/// Returns the time of the gateway's clock, shifted.
fn at(app: &TestApp, offset: Duration) -> anyhow::Result<String> {
    Ok((app.state.clock.now() + offset).format(&Rfc3339)?)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn deliveries_are_listed_newest_first(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    app.link("acme").await?;
    let admin = &app.home.admin;
    let webhook = create(&app, &json!({ "url": URL })).await?;
    let other = create(&app, &json!({ "url": URL })).await?;
    for status in ["succeeded", "failed", "pending"] {
        Row::new(&app, &webhook, status).insert(&app).await?;
        app.clock.advance(Duration::seconds(1));
    }
    let test = Row { is_test: true, ..Row::new(&app, &webhook, "failed") };
    test.insert(&app).await?;
    Row::new(&app, &other, "failed").insert(&app).await?;
    let path = format!("{}/deliveries", path_of(&webhook)?);
    let (all, pages) = admin.all(&format!("{path}?limit=3")).await?;
    let shown: Vec<_> = all.iter().map(|row| (&row["event_type"], &row["status"])).collect();
    let created = json!("integrated_account.created");
    assert_eq!(
        (shown, pages),
        (
            vec![
                (&json!("webhook.test"), &json!("failed")),
                (&created, &json!("pending")),
                (&created, &json!("failed")),
                (&created, &json!("succeeded")),
            ],
            2
        )
    );
    let event = admin.get("events?limit=1").await?.success()?["result"][0].clone();
    for (query, count) in [
        ("status=failed".to_owned(), 2),
        ("status=pending".to_owned(), 1),
        (format!("event_id={}", text(&event, "id")?), 3),
        ("event_type=integrated_account.created".to_owned(), 3),
        ("event_type=webhook.test&status=failed".to_owned(), 1),
        ("event_type=user.updated".to_owned(), 0),
    ] {
        let list = admin.get(&format!("{path}?{query}")).await?.success()?;
        assert_eq!(list["result_count"], count, "{query}: {list}");
    }
    for (query, name) in
        [("status=lost", "status"), ("event_id=x", "event_id"), ("event_type=x", "event_type")]
    {
        let response = admin.get(&format!("{path}?{query}")).await?;
        response.problem(400, "invalid_query");
        assert_eq!(response.pointers(), [name]);
    }
    let page = admin.get(&format!("{path}?limit=1")).await?.success()?;
    let cursor = text(&page, "next_cursor")?;
    for path in [format!("{path}?status=failed"), format!("{}/deliveries?", path_of(&other)?)] {
        let response = admin.get(&format!("{path}&next_cursor={cursor}")).await?;
        response.problem(400, "invalid_cursor");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_delivery_has_its_request_without_the_signature(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    app.link("acme").await?;
    let admin = &app.home.admin;
    let webhook = create(&app, &json!({ "url": URL })).await?;
    let path = Row::new(&app, &webhook, "failed").insert(&app).await?;
    let test = Row { is_test: true, ..Row::new(&app, &webhook, "failed") }.insert(&app).await?;
    let event = admin.get("events?limit=1").await?.success()?["result"][0].clone();
    let read = admin.get(&path).await?.success()?["result"].clone();
    assert_eq!(read["attempts"][0]["response_body"], "out of order", "{read}");
    assert_eq!((&read["event_id"], &read["attempt_count"]), (&event["id"], &json!(10)));
    let (request, now) = (&read["request"], app.state.clock.now());
    assert_eq!((&request["url"], &request["body"]), (&json!(URL), &event));
    let headers = json!({"content-type": "application/json", "webhook-id": event["id"],
        "webhook-timestamp": now.unix_timestamp().to_string(),
        "webhook-signature": "v1,[redacted]",
        "user-agent": concat!("switchboard/", env!("CARGO_PKG_VERSION"))});
    assert_eq!(request["headers"], headers);
    assert_eq!(admin.get(&test).await?.success()?["result"]["request"]["body"], json!(null));
    sqlx::query("delete from events").execute(&app.pool).await?;
    assert_eq!(admin.get(&path).await?.success()?["result"]["request"]["body"], json!(null));

    let other = create(&app, &json!({ "url": URL })).await?;
    let elsewhere = path.replace(text(&webhook, "id")?, text(&other, "id")?);
    let unknown = format!("{}/deliveries/x", path_of(&webhook)?);
    for missing in [&elsewhere, &unknown] {
        admin.get(missing).await?.problem(404, "not_found");
        resend(&app, missing).await?.problem(404, "not_found");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_resent_delivery_is_due_with_all_its_attempts(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    app.link("acme").await?;
    let webhook = create(&app, &json!({ "url": URL })).await?;
    for status in ["succeeded", "failed", "pending"] {
        let path = Row::new(&app, &webhook, status).insert(&app).await?;
        app.clock.advance(Duration::seconds(1));
        let resent = resend(&app, &path).await?;
        assert_eq!(resent.status, 202, "{}", resent.text);
        let delivery = &resent.body["result"];
        let now = json!(at(&app, Duration::ZERO)?);
        assert_eq!(
            (&delivery["status"], &delivery["attempt_count"], &delivery["next_attempt_at"]),
            (&json!("pending"), &json!(0), &now)
        );
        assert_eq!(delivery["attempts"].as_array().map(Vec::len), Some(1), "{delivery}");
        let subject = path.rsplit('/').next().context("no id")?;
        let log = app.home.admin.get("audit-log?action=webhook_delivery.resent&limit=1").await?;
        assert_eq!(log.success()?["result"][0]["subject"], subject);
    }
    let test = Row { is_test: true, ..Row::new(&app, &webhook, "failed") }.insert(&app).await?;
    resend(&app, &test).await?.problem(409, "test_not_resendable");
    let path = Row::new(&app, &webhook, "failed").insert(&app).await?;
    app.home.admin.patch(&path_of(&webhook)?, &json!({"is_active": false})).await?.success()?;
    resend(&app, &path).await?.problem(409, "webhook_inactive");
    app.home.admin.patch(&path_of(&webhook)?, &json!({"is_active": true})).await?.success()?;
    app.clock.advance(Duration::days(31));
    resend(&app, &path).await?.problem(410, "event_expired");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_replay_has_the_events_of_a_span_that_match(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let first = app.link("acme").await?;
    app.clock.advance(Duration::hours(2));
    app.link("globex").await?;
    let admin = &app.home.admin;
    let all = create(&app, &json!({ "url": URL })).await?;
    let own = json!({"url": URL, "integrated_account_id": first, "event_types": ["integrated_account.*"]});
    let own = create(&app, &own).await?;
    let begin = at(&app, Duration::hours(-3))?;
    for (webhook, body, events) in [
        (&all, json!({ "from": begin }), 4),
        (&all, json!({"from": at(&app, Duration::hours(-1))?}), 2),
        (&all, json!({"from": begin, "to": at(&app, Duration::hours(-1))?}), 2),
        (&all, json!({"from": begin, "event_types": ["integrated_account.created"]}), 2),
        (&all, json!({"from": begin, "to": begin}), 0),
        (&own, json!({ "from": begin }), 2),
        (&own, json!({"from": begin, "event_types": ["integrated_account.active", "sync.*"]}), 1),
        (&own, json!({"from": begin, "event_types": ["user.*"]}), 0),
    ] {
        let response = admin.post(&format!("{}/replay", path_of(webhook)?), &body).await?;
        assert_eq!(response.status, 202, "{body}: {}", response.text);
        let result = &response.body["result"];
        assert_eq!(result["events"], events, "{body}: {result}");
        let rows: i64 =
            sqlx::query_scalar("select count(*) from webhook_replays where replay_id = $1")
                .bind(text(result, "id")?)
                .fetch_one(&app.pool)
                .await?;
        assert_eq!(rows, i64::from(events > 0), "{body}");
    }
    let spans: Vec<(i64, i64)> = sqlx::query_as(
        "select last_position, until_position from webhook_replays where webhook_id = $1
         order by last_position, until_position",
    )
    .bind(text(&all, "id")?)
    .fetch_all(&app.pool)
    .await?;
    assert_eq!(spans, [(0, 2), (0, 4), (0, 4), (2, 4)]);
    let log = admin.get("audit-log?action=webhook.replayed").await?.success()?;
    assert_eq!(log["result_count"], 8);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_replays_of_what_is_not_stored(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    app.link("acme").await?;
    let webhook = create(&app, &json!({ "url": URL })).await?;
    let (admin, path) = (&app.home.admin, path_of(&webhook)?);
    let replay = format!("{path}/replay");
    let (past, soon) = (at(&app, Duration::hours(-1))?, at(&app, Duration::hours(1))?);
    for (body, pointers) in [
        (json!({}), vec![""]),
        (json!({"from": "yesterday"}), vec!["/from"]),
        (json!({ "from": soon }), vec!["/from"]),
        (json!({"from": past, "to": soon}), vec!["/to"]),
        (json!({"from": past, "to": at(&app, Duration::hours(-2))?}), vec!["/to"]),
        (json!({"from": past, "event_types": []}), vec!["/event_types"]),
        (json!({"from": past, "event_types": ["user"]}), vec!["/event_types/0"]),
        (json!({"from": past, "until": soon}), vec!["/until"]),
    ] {
        let response = admin.post(&replay, &body).await?;
        response.problem(422, "invalid_body");
        assert_eq!(response.pointers(), pointers, "{body}: {}", response.text);
    }
    let old = json!({"from": at(&app, Duration::days(-31))?});
    let response = admin.post(&replay, &old).await?;
    let detail = response.problem(410, "event_expired")["detail"].to_string();
    assert!(detail.contains(&at(&app, Duration::days(-30))?), "{detail}");
    assert_eq!(response.pointers(), ["/from"]);

    let body = json!({ "from": past });
    admin.patch(&path, &json!({"is_active": false})).await?.success()?;
    admin.post(&replay, &body).await?.problem(409, "webhook_inactive");
    Ok(())
}

/// Disables a webhook, as after an outage.
async fn disable(app: &TestApp, webhook: &Value, since: OffsetDateTime) -> anyhow::Result<()> {
    sqlx::query(
        "update webhooks set is_active = false, disabled_at = $2, disabled_reason = 'failed for 72 hours',
             failing_since = $3, failures = 20, retry_at = $2 + interval '1 hour' where webhook_id = $1",
    )
    .bind(text(webhook, "id")?)
    .bind(app.state.clock.now())
    .bind(since)
    .execute(&app.pool)
    .await?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_activated_webhook_gets_what_it_missed(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    app.link("acme").await?;
    let webhook = create(&app, &json!({ "url": URL })).await?;
    let (admin, path) = (&app.home.admin, path_of(&webhook)?);
    let now = app.state.clock.now();
    let mut paths = Vec::new();
    for (status, attempted_at, is_test) in [
        ("failed", now - Duration::hours(73), false),
        ("failed", now - Duration::hours(71), false),
        ("pending", now - Duration::hours(80), false),
        ("succeeded", now, false),
        ("failed", now, true),
    ] {
        let row = Row { webhook: &webhook, status, attempted_at, is_test };
        paths.push(row.insert(&app).await?);
    }
    let states = async || {
        let mut states = Vec::new();
        for path in &paths {
            let read = admin.get(path).await?.success()?["result"].clone();
            states.push((text(&read, "status")?.to_owned(), read["next_attempt_at"].clone()));
        }
        anyhow::Ok(states)
    };
    disable(&app, &webhook, now - Duration::hours(72)).await?;
    let read = admin.get(&path).await?.success()?["result"].clone();
    assert_eq!((&read["is_active"], read["disabled_at"].is_string()), (&json!(false), true));
    assert_eq!(read["disabled_reason"], "failed for 72 hours");
    let before = states().await?;
    let rejected = resend(&app, &paths[0]).await?;
    let detail = rejected.problem(409, "webhook_inactive")["detail"].to_string();
    assert!(detail.contains("failed for 72 hours"), "{detail}");
    admin.patch(&path, &json!({"description": "still disabled"})).await?.success()?;
    assert_eq!(states().await?, before);

    app.clock.advance(Duration::hours(1));
    let enabled =
        admin.patch(&path, &json!({"is_active": true})).await?.success()?["result"].clone();
    for field in ["disabled_at", "disabled_reason", "failing_since"] {
        assert_eq!(enabled[field], json!(null), "{field}: {enabled}");
    }
    assert_eq!(admin.get(&path).await?.success()?["result"], enabled);
    let due = ("pending".to_owned(), json!(at(&app, Duration::ZERO)?));
    let [old, _, _, succeeded, test]: [(String, Value); 5] =
        before.try_into().ok().context("five")?;
    assert_eq!(states().await?, [old, due.clone(), due, succeeded, test]);
    let state: (i32, bool) = sqlx::query_as("select failures, retry_at is null from webhooks")
        .fetch_one(&app.pool)
        .await?;
    assert_eq!(state, (0, true));

    // An active webhook is not restarted, except at another URL.
    disable(&app, &webhook, now).await?;
    sqlx::query("update webhooks set is_active = true").execute(&app.pool).await?;
    let failures = "select failures from webhooks";
    for (change, expected) in [
        (json!({"is_active": true, "url": URL}), 20),
        (json!({"url": "https://other.example.com/"}), 0),
    ] {
        admin.patch(&path, &change).await?.success()?;
        let count: i32 = sqlx::query_scalar(failures).fetch_one(&app.pool).await?;
        assert_eq!(count, expected, "{change}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn deliveries_are_deleted_after_their_retention(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    app.link("acme").await?;
    let webhook = create(&app, &json!({ "url": URL })).await?;
    for status in ["succeeded", "failed", "pending"] {
        Row::new(&app, &webhook, status).insert(&app).await?;
    }
    let count = async || {
        let list = app.home.admin.get(&format!("{}/deliveries", path_of(&webhook)?)).await?;
        anyhow::Ok(list.success()?["result_count"].clone())
    };
    let (store, now) = (&app.state.store, app.state.clock.now());
    let ended = Duration::days(1);
    store.purge_expired(now + DELIVERY_RETENTION - Duration::hours(1), ended).await?;
    assert_eq!(count().await?, 3);
    store.purge_expired(now + DELIVERY_RETENTION + Duration::hours(1), ended).await?;
    assert_eq!(count().await?, 0);
    Ok(())
}
