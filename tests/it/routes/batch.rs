//! `/batch`: many operations in one request. The sandbox's request log shows what reached the provider.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::org::{GridOrganization, OrgLevel, Person, WorkspaceLevel};
use switchboard::sandbox::{Fault, FaultKind};

use crate::support::{TestApp, bearer};

/// The provider's method that assigns a system role.
const ASSIGN_METHOD: &str = "admin.roles.addAssignments";
/// Multiple of Slack's rates: slow enough to be noticed.
const TIME_SCALE: f64 = 60.0;

/// Returns active members that are not guests, by id.
fn members(org: &GridOrganization) -> Vec<String> {
    let is_plain = |one: &&Person| one.is_active() && !one.is_bot() && one.guest_level().is_none();
    org.people().iter().filter(is_plain).map(|one| one.id.clone()).collect()
}

fn assign_operation(user: &str, role: &str) -> Value {
    json!({"id": user, "method": "POST", "path": "/role-assignments",
        "body": {"user_id": user, "role_id": role}})
}

fn statuses(response: &Value) -> Vec<u64> {
    let result = response["result"].as_array().into_iter().flatten();
    result.filter_map(|one| one["status"].as_u64()).collect()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn assigns_a_hundred_roles_in_one_request(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let users: Vec<String> = app.sandbox.with_org(members).into_iter().take(100).collect();
    assert_eq!(users.len(), 100);
    let held_before = app.sandbox.with_org(|org| {
        let rows = org.roles.rows().filter(|(_, row)| row.role_id == "Rl04");
        let holders = rows.filter_map(|(_, row)| org.person(row.user));
        holders.filter(|person| users.contains(&person.id)).count() as u64
    });
    let operations: Vec<Value> = users.iter().map(|user| assign_operation(user, "Rl04")).collect();
    let body = json!({"operations": operations, "concurrency": 16});
    let response = api.post("batch", &body).await?.success()?;
    assert_eq!(
        (&response["succeeded"], &response["failed"]),
        (&json!(100), &json!(0)),
        "{response}"
    );
    let result = response["result"].as_array().context("no result")?;
    for (index, (one, user)) in result.iter().zip(&users).enumerate() {
        assert_eq!((&one["id"], &one["index"]), (&json!(user), &json!(index)));
        assert_eq!(
            (&one["status"], &one["body"]["result"]["user_id"]),
            (&json!(201), &json!(user))
        );
    }
    assert_eq!(result.len(), 100);
    // Nothing is sent for users that held it before.
    assert_eq!(app.calls(ASSIGN_METHOD), 100 - held_before);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn each_operation_succeeds_or_fails_alone(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?.with("x-request-id", "mine")?;
    let users = app.sandbox.with_org(members);
    let (one, two) = (&users[0], &users[1]);
    let body = json!({"operations": [
        assign_operation(one, "Rl04"),
        assign_operation(one, "king"),
        {"method": "GET", "path": format!("/users/{one}"), "query": {"response_format": "raw"}},
        {"method": "GET", "path": "/users/nobody"},
        {"method": "GET", "path": "/users", "query": {"limit": "2"}},
        {"method": "GET", "path": "/users", "query": {"limit": "0"}},
        {"method": "DELETE", "path": "/users"},
        {"method": "GET", "path": "/users/a/b/c"},
        {"id": "last", "method": "DELETE", "path": format!("/role-assignments/Rl04.{one}.none")},
        assign_operation(two, "Rl04"),
    ]});
    let response = api.post("batch", &body).await?.success()?;
    let expected = [201, 422, 200, 404, 200, 400, 405, 404];
    assert_eq!(statuses(&response)[..8], expected, "{response}");
    assert_eq!(statuses(&response)[9], 201, "{response}");
    let result = &response["result"];
    assert_eq!(result[1]["body"]["type"], "/problems/role_not_assignable");
    assert_eq!(result[1]["body"]["request_id"], "mine.1");
    assert_eq!(result[4]["body"]["result_count"], 2);
    assert_eq!((&result[2]["id"], &result[8]["id"]), (&Value::Null, &json!("last")));
    let failed = statuses(&response).iter().filter(|status| **status >= 400).count();
    assert_eq!(
        (&response["succeeded"], &response["failed"]),
        (&json!(10 - failed), &json!(failed))
    );
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reports_an_invalid_operation_at_its_index(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let before = app.sandbox.requests(None).counts;
    let bad = [
        (json!(7), ""),
        (json!({"path": "/users"}), ""),
        (json!({"id": "x", "method": "PUT", "path": "/users"}), "/method"),
        (json!({"method": "GET", "path": "/users", "query": {"limit": 2}}), "/query/limit"),
        (json!({"method": "GET", "path": "/users", "headers": {}}), "/headers"),
        (json!({"method": "GET", "path": "/users?limit=2"}), "/path"),
        (json!({"method": "GET", "path": "/users/a b"}), "/path"),
        (json!({"method": "GET", "path": "users"}), "/path"),
        (json!({"method": "GET", "path": ""}), "/path"),
        (json!({"method": "POST", "path": "/batch", "body": {"operations": []}}), "/path"),
        (json!({"method": "GET", "path": "/proxy/api/auth.test"}), "/path"),
        (json!({"method": "GET", "path": "/users/../proxy/api/auth.test"}), ""),
        (json!({"method": "GET", "path": "//proxy/api/auth.test"}), "/path"),
        (json!({"method": "GET", "path": "/%75sers"}), "/path"),
        (json!({"method": "GET", "path": "/integrated-accounts"}), "/path"),
        (json!({"method": "POST", "path": "/link-tokens", "body": {"tenant_id": "a"}}), "/path"),
        (json!({"method": "GET", "path": "http://evil.example/users"}), "/path"),
    ];
    let operations: Vec<&Value> = bad.iter().map(|(operation, _)| operation).collect();
    let response = api.post("batch", &json!({"operations": operations})).await?.success()?;
    assert_eq!((&response["succeeded"], &response["failed"]), (&json!(0), &json!(bad.len())));
    for (index, (operation, pointer)) in bad.iter().enumerate() {
        let one = &response["result"][index];
        assert_eq!((&one["id"], &one["index"]), (&operation["id"], &json!(index)));
        if operation["path"] == "/users/../proxy/api/auth.test" {
            assert_eq!(one["status"], 404, "{one}");
            continue;
        }
        assert_eq!(
            (&one["status"], &one["body"]["type"]),
            (&json!(422), &json!("/problems/invalid_body"))
        );
        let reported = one["body"]["errors"][0]["pointer"].as_str();
        assert_eq!(reported, Some(format!("/operations/{index}{pointer}").as_str()), "{one}");
    }
    assert_eq!(app.sandbox.requests(None).counts, before);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_an_invalid_batch_as_a_whole(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let read = json!({"method": "GET", "path": "/roles/org:member"});
    let many = |count: usize| json!({"operations": vec![&read; count]});
    for (body, pointer) in [
        (many(1_001), "/operations"),
        (json!({"operations": {}}), "/operations"),
        (json!({}), ""),
        (json!({"operations": [], "concurrency": 0}), "/concurrency"),
        (json!({"operations": [], "concurrency": 17}), "/concurrency"),
        (json!({"operations": [], "sequential": true}), "/sequential"),
    ] {
        let response = api.post("batch", &body).await?;
        response.problem(422, "invalid_body");
        assert_eq!(response.pointers(), [pointer], "{}", response.text);
    }
    api.post("batch?limit=1", &many(1)).await?.problem(400, "invalid_query");
    let key = "k".repeat(252);
    let long = api.clone().with("idempotency-key", &key)?.post("batch", &many(1)).await?;
    long.problem(400, "idempotency_key_invalid");
    for count in [0, 1_000] {
        let response = api.post("batch", &many(count)).await?.success()?;
        assert_eq!(response["succeeded"], count, "{response}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_batch_with_an_idempotency_key_is_applied_once(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let users = app.sandbox.with_org(members);
    let operations: Vec<Value> = users
        .iter()
        .take(9)
        .map(|user| assign_operation(user, "Rl04"))
        .chain([assign_operation(&users[0], "king")])
        .collect();
    let request = json!({"operations": operations});
    let keyed = |key: &str| api.clone().with("idempotency-key", key);
    let first = keyed("one")?.post("batch", &request).await?;
    let calls = app.sandbox.requests(None).counts;
    let again = keyed("one")?.post("batch", &request).await?;
    assert_eq!((again.status, &again.text), (200, &first.text));
    assert_eq!(again.header("idempotency-replayed"), "true");
    let other = json!({"operations": operations, "concurrency": 5});
    keyed("one")?.post("batch", &other).await?.problem(422, "idempotency_key_reused");
    // An operation has a key of its own: alone it is the same request.
    let alone = keyed("one:3")?.post("role-assignments", &operations[3]["body"]).await?;
    assert_eq!(alone.header("idempotency-replayed"), "true", "{}", alone.text);
    assert_eq!(alone.body, first.body["result"][3]["body"]);
    assert_eq!(app.sandbox.requests(None).counts, calls);
    assert_eq!(app.calls(ASSIGN_METHOD), 9);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn resumes_an_interrupted_batch(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    let api =
        app.linked_client().await?.with("idempotency-key", "one")?.with("x-request-id", "mine")?;
    let users = app.sandbox.with_org(members);
    let operations: Vec<Value> =
        users.iter().take(3).map(|user| assign_operation(user, "Rl04")).collect();
    let body = json!({"operations": operations});
    let first = api.post("batch", &body).await?.success()?;
    assert_eq!(first["succeeded"], 3, "{first}");
    // As if the process had died with the first operation done, the second in flight, the third not started.
    for crash in [
        "UPDATE idempotency_keys SET finished_at = NULL, status = NULL, headers = NULL,
             master_key_id = NULL, data_key = NULL, body = NULL
         WHERE idempotency_key IN ('one', 'one:1')",
        "DELETE FROM idempotency_keys WHERE idempotency_key = 'one:2'",
    ] {
        sqlx::query(crash).execute(&pool).await?;
    }
    let silent = async |seconds: i32| {
        let silent = "UPDATE idempotency_keys SET alive_at = alive_at - make_interval(secs => $1)";
        sqlx::query(silent).bind(f64::from(seconds)).execute(&pool).await
    };
    silent(100).await?;
    api.post("batch", &body).await?.problem(409, "idempotency_key_in_flight");
    silent(60).await?;
    let later = api.with("x-request-id", "later")?;
    let second = later.post("batch", &body).await?.success()?;
    assert_eq!(statuses(&second), [201, 409, 201], "{second}");
    assert_eq!(second["result"][0], first["result"][0]);
    let doubt = &second["result"][1]["body"];
    assert_eq!(doubt["type"], "/problems/idempotency_in_doubt", "{doubt}");
    assert_eq!(doubt["first_request_id"], "mine.1");
    let known = doubt["recorded_actions"].as_array().into_iter().flatten();
    let outcomes: Vec<&str> = known.filter_map(|deed| deed["outcome"].as_str()).collect();
    assert_eq!(outcomes, ["started", "done"], "{doubt}");
    assert_eq!(app.calls(ASSIGN_METHOD), 3, "what was assigned before is not sent again");
    assert_eq!(later.post("batch", &body).await?.success()?, second);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_account_token_stays_on_its_account(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let (own, other) = (app.link("acme").await?, app.link("globex").await?);
    let token = app.home.api.post(&format!("integrated-accounts/{own}/tokens"), &json!({})).await?;
    let token = token.created()?["result"]["token"].as_str().context("no token")?.to_owned();
    let bound = app.anonymous()?.with("authorization", &bearer(&token))?;
    let read = |query: Value| json!({"method": "GET", "path": "/users", "query": query});
    let by_tenant = |tenant: &str| {
        read(json!({"limit": "1", "tenant_id": tenant, "provider": "slack_enterprise"}))
    };
    let body = json!({"operations": [
        read(json!({"limit": "1"})),
        read(json!({"limit": "1", "integrated_account_id": own})),
        read(json!({"limit": "1", "integrated_account_id": other})),
    ]});
    let response = bound.post("batch", &body).await?.success()?;
    assert_eq!(statuses(&response), [200, 200, 404], "{response}");
    assert_eq!(response["result"][2]["body"]["type"], "/problems/account_not_found");
    let beside =
        bound.post(&format!("batch?integrated_account_id={other}"), &body).await?.success()?;
    assert_eq!(statuses(&beside), [404, 200, 404], "{beside}");
    // An API key names an account for all of them, and an operation another one for itself.
    let body = json!({"operations": [read(json!({})), by_tenant("globex"), by_tenant("nobody")]});
    let nowhere = app.home.api.post("batch", &body).await?.success()?;
    assert_eq!(statuses(&nowhere), [400, 200, 404], "{nowhere}");
    for batch in [format!("batch?integrated_account_id={own}"), "batch".to_owned()] {
        let response = app.client_for(&own)?.post(&batch, &body).await?.success()?;
        assert_eq!(statuses(&response), [200, 200, 404], "{response}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn different_resources_run_concurrently_and_one_in_order(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let users = app.sandbox.with_org(members);
    let mut took = Vec::new();
    for (concurrency, role) in [(1, "Rl04"), (8, "Rl05")] {
        let slow = Fault {
            seconds: Some(0.2),
            ..Fault::for_next_calls(ASSIGN_METHOD, FaultKind::Latency, 8)
        };
        app.sandbox.add_fault(slow);
        let operations: Vec<Value> =
            users.iter().take(8).map(|user| assign_operation(user, role)).collect();
        let started = Instant::now();
        let body = json!({"operations": operations, "concurrency": concurrency});
        let response = api.post("batch", &body).await?.success()?;
        assert_eq!(response["succeeded"], 8, "{response}");
        took.push(started.elapsed());
    }
    assert!(took[0] > Duration::from_millis(1_600) && took[1] < took[0] / 2, "{took:?}");

    let (user, team) = app.sandbox.with_org(|org| {
        let is_plain = |one: &&Person| {
            one.membership(0).is_some_and(|place| place.level == WorkspaceLevel::Member)
                && one.is_active()
                && one.org_level == OrgLevel::Member
        };
        let user = org.people().iter().find(is_plain).map(|one| one.id.clone());
        (user, org.workspaces[0].id.clone())
    });
    let user = user.context("no user")?;
    let slow = Fault::for_next_calls("admin.users.setAdmin", FaultKind::Latency, 1);
    app.sandbox.add_fault(Fault { seconds: Some(0.3), ..slow });
    let body = json!({"operations": [
        {"method": "POST", "path": "/role-assignments",
            "body": {"user_id": user, "role_id": "ws:admin", "workspace_id": team}},
        {"method": "DELETE", "path": format!("/role-assignments/ws:admin.{user}.{team}")},
        {"method": "GET", "path": format!("/role-assignments/ws:admin.{user}.{team}")},
    ]});
    let response = api.post("batch", &body).await?.success()?;
    assert_eq!(statuses(&response), [201, 200, 404], "{response}");
    assert_eq!(response["result"][1]["body"]["result"]["outcome"], "applied", "{response}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn each_operation_waits_for_permits_as_the_batch_requests(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| {
        setup.sandbox.time_scale = TIME_SCALE;
        setup.config.limits.time_scale = TIME_SCALE;
    })
    .await?;
    let api = app.linked_client().await?;
    let users = app.sandbox.with_org(members);
    let operations: Vec<Value> =
        users.iter().take(40).map(|user| assign_operation(user, "Rl04")).collect();
    let body = json!({"operations": operations, "concurrency": 16});
    let hasty = api.clone().with("prefer", "wait=0")?.post("batch", &body).await?.success()?;
    let result = hasty["result"].as_array().context("no result")?;
    let late: Vec<&Value> = result.iter().filter(|one| one["status"] == 429).collect();
    assert!(!late.is_empty(), "{hasty}");
    for one in late {
        assert_eq!(one["body"]["type"], "/problems/rate_limited", "{one}");
        assert!(one["retry_after_s"].as_u64().is_some_and(|seconds| seconds > 0), "{one}");
    }
    let patient = api.with("prefer", "wait=60")?.post("batch", &body).await?.success()?;
    assert_eq!(patient["succeeded"], 40, "{patient}");
    assert!(app.sandbox.requests(None).throttled.is_empty());
    Ok(())
}
