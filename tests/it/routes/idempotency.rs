//! `Idempotency-Key`: a repeated change is applied once. The sandbox's request log counts what reached
//! the provider.

use anyhow::Context as _;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::access::Scope;
use switchboard::sandbox::{Fault, FaultKind};
use time::Duration;

use crate::support::{ApiResponse, Client, TestApp, bearer};

/// The provider's method behind the changes of these tests.
const ASSIGN_METHOD: &str = "admin.roles.addAssignments";

/// Returns a request for a system role, and a different one.
fn assignments(app: &TestApp) -> anyhow::Result<(Value, Value)> {
    let user = app.sandbox.with_org(|org| {
        let is_plain = |one: &&switchboard::sandbox::org::Person| {
            one.is_active() && !one.is_bot() && one.guest_level().is_none()
        };
        org.people().iter().find(is_plain).map(|one| one.id.clone())
    });
    let user = user.context("no user")?;
    let body = |role: &str| json!({"user_id": user, "role_id": role});
    Ok((body("Rl04"), body("Rl05")))
}

fn keyed(client: &Client, key: &str) -> anyhow::Result<Client> {
    client.clone().with("idempotency-key", key)
}

fn is_replay(response: &ApiResponse) -> bool {
    response.header("idempotency-replayed") == "true"
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_same_request_gets_the_same_response_and_is_applied_once(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = keyed(&app.linked_client().await?, "first")?;
    let (body, _) = assignments(&app)?;
    let first = api.post("role-assignments", &body).await?;
    assert!(first.status == 201 && !is_replay(&first), "{}", first.text);
    let calls = app.sandbox.requests(None).counts;
    for _ in 0..3 {
        let again = api.post("role-assignments", &body).await?;
        assert!(is_replay(&again), "{:?}", again.headers);
        assert_eq!((again.status, &again.text), (201, &first.text));
        assert_eq!(again.header("content-type"), first.header("content-type"));
        assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
    }
    assert_eq!(app.sandbox.requests(None).counts, calls);
    assert_eq!(app.calls(ASSIGN_METHOD), 1);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_a_different_request_with_the_same_key(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = keyed(&app.linked_client().await?, "first")?;
    let (body, other) = assignments(&app)?;
    api.post("role-assignments", &body).await?.created()?;
    let text = body.to_string();
    let reused = [
        api.post("role-assignments", &other).await?,
        api.post("role-assignments?exclude_fields[]=id", &body).await?,
        api.post("workspaces/T1/members", &body).await?,
        api.send(Method::POST, "role-assignments", Some(("application/x+json", &text))).await?,
        api.send(Method::DELETE, "role-assignments/x", None).await?,
        api.clone()
            .with("x-integrated-account-id", "acc_1")?
            .post("role-assignments", &body)
            .await?,
    ];
    for response in reused {
        response.problem(422, "idempotency_key_reused");
    }
    assert_eq!(app.calls(ASSIGN_METHOD), 1);
    // A key is ignored where nothing is changed.
    api.get("users?limit=1").await?.success()?;
    api.get("users?limit=2").await?.success()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn only_one_of_many_concurrent_requests_is_applied(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = keyed(&app.linked_client().await?, "first")?;
    let (body, _) = assignments(&app)?;
    let all = futures_util::future::join_all((0..20).map(|_| api.post("role-assignments", &body)));
    let mut texts = std::collections::BTreeSet::new();
    let mut done = 0;
    for response in all.await {
        let response = response?;
        if response.status == 409 {
            response.problem(409, "idempotency_key_in_flight");
            assert_eq!(response.header("retry-after"), "1");
        } else {
            assert_eq!(response.status, 201, "{}", response.text);
            done += usize::from(!is_replay(&response));
            texts.insert(response.text);
        }
    }
    assert_eq!((done, texts.len()), (1, 1));
    assert_eq!(app.calls(ASSIGN_METHOD), 1);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_key_is_scoped_to_its_caller(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let other = app.tenant("other").await?;
    let foreign = app.link_in(&other, "globex").await?;
    let foreign = other.api.clone().with("x-integrated-account-id", &foreign)?;
    let tokens = format!("integrated-accounts/{account}/tokens");
    let token = app.home.api.post(&tokens, &json!({})).await?.created()?;
    let token = token["result"]["token"].as_str().context("no token")?;
    let bound = app.anonymous()?.with("authorization", &bearer(token))?;
    let (body, _) = assignments(&app)?;
    let account_key = app.client(app.home.environment_id, Scope::ACCOUNT).await?;
    let other_key = account_key.with("x-integrated-account-id", &account)?;
    for client in [app.client_for(&account)?, other_key, foreign, bound] {
        let client = keyed(&client, "first")?;
        for again in [false, true] {
            let response = client.post("role-assignments", &body).await?;
            assert_eq!((response.status, is_replay(&response)), (201, again), "{}", response.text);
        }
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_stored_response_is_unreadable_in_the_table(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    let api = app.linked_client().await?;
    let created = keyed(&api, "first")?.post("groups", &json!({"name": "Sealed Name"})).await?;
    assert_eq!(created.status, 201, "{}", created.text);
    let row: Value =
        sqlx::query_scalar("SELECT to_jsonb(k) FROM idempotency_keys k").fetch_one(&pool).await?;
    let readable = "SELECT position('Sealed Name'::bytea IN body) > 0 FROM idempotency_keys";
    assert!(!sqlx::query_scalar::<_, bool>(readable).fetch_one(&pool).await?);
    assert!(row["body"].as_str().is_some_and(|hex| hex.len() > 2 * created.text.len()), "{row}");
    // Moved to another key's row, it does not decrypt.
    sqlx::query("UPDATE idempotency_keys SET idempotency_key = 'moved'").execute(&pool).await?;
    let moved = keyed(&api, "moved")?.post("groups", &json!({"name": "Sealed Name"})).await?;
    moved.problem(500, "internal");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn stores_no_secret_and_audits_replays(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    let account = app.link("acme").await?;
    let admin = keyed(&app.home.admin, "first")?;
    let issued = app.home.admin.post("api-keys", &json!({"name": "x", "scopes": ["read"]})).await?;
    let key = issued.created()?["result"]["id"].as_str().context("no id")?.to_owned();
    for (number, (path, body, field, id)) in [
        ("api-keys".to_owned(), json!({"name": "x", "scopes": ["read"]}), "key", "id"),
        (format!("api-keys/{key}/rotate"), json!({}), "key", "id"),
        (format!("integrated-accounts/{account}/tokens"), json!({}), "token", "id"),
        ("link-tokens".to_owned(), json!({"tenant_id": "a"}), "link_token", "id"),
        ("environments".to_owned(), json!({"name": "another"}), "key", "key_id"),
        ("webhooks".to_owned(), json!({"url": "https://hooks.example.com/"}), "secret", "id"),
    ]
    .into_iter()
    .enumerate()
    {
        let admin = keyed(&admin, &format!("key-{number}"))?;
        let first = admin.post(&path, &body).await?;
        assert!(first.status < 300, "{path}: {}", first.text);
        let secret = first.body["result"][field].as_str().context("no secret")?;
        let again = admin.clone().with("x-request-id", &format!("again-{number}"))?;
        let again = again.post(&path, &body).await?;
        assert_eq!(
            (again.status, &again.body["type"]),
            (409, &json!("/problems/secret_shown_once"))
        );
        let detail = again.body["detail"].as_str().unwrap_or_default();
        let id = first.body["result"][id].as_str().context("no id")?;
        assert!(is_replay(&again) && detail.contains(id), "{detail}");
        assert!(!again.text.contains(secret), "{path}");
        let question = "SELECT count(*) FROM audit_log WHERE action = 'idempotency.replayed'
            AND request_id = $1 AND subject = $2 AND actor LIKE 'key_%'";
        let audited: i64 = sqlx::query_scalar(question)
            .bind(format!("again-{number}"))
            .bind(first.header("x-request-id"))
            .fetch_one(&pool)
            .await?;
        assert_eq!(audited, 1, "{path}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_restricted_key_gets_no_response_of_an_unrestricted_one(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let tokens = format!("integrated-accounts/{account}/tokens");
    let (body, _) = assignments(&app)?;
    let mut replays = Vec::new();
    // Tokens of one account with the same bounds share keys; others do not.
    for bounds in [
        json!({}),
        json!({}),
        json!({"allowed_methods": ["users.*"]}),
        json!({"scopes": ["read", "write"]}),
    ] {
        let token = app.home.api.post(&tokens, &bounds).await?.created()?;
        let token = token["result"]["token"].as_str().context("no token")?;
        let bound = app.anonymous()?.with("authorization", &bearer(token))?;
        let response = keyed(&bound, "shared")?.post("role-assignments", &body).await?;
        assert_eq!(response.status, 201, "{}", response.text);
        replays.push(is_replay(&response));
    }
    assert_eq!(replays, [false, true, false, false]);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn after_a_day_the_key_is_free_and_old_rows_are_purged(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    let api = app.linked_client().await?;
    let (body, other) = assignments(&app)?;
    for key in ["first", "second"] {
        keyed(&api, key)?.post("role-assignments", &body).await?.created()?;
    }
    let first = keyed(&api, "first")?;
    app.clock.advance(Duration::hours(24) - Duration::seconds(1));
    assert!(is_replay(&first.post("role-assignments", &body).await?));
    first.post("role-assignments", &other).await?.problem(422, "idempotency_key_reused");
    app.clock.advance(Duration::seconds(1));
    let anew = first.post("role-assignments", &other).await?;
    assert!(!is_replay(&anew) && anew.status == 201, "{}", anew.text);
    let keys: Vec<String> =
        sqlx::query_scalar("SELECT idempotency_key FROM idempotency_keys").fetch_all(&pool).await?;
    assert_eq!(keys, ["first"]);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_caller_that_disconnects_can_replay_the_response(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = keyed(&app.linked_client().await?, "first")?;
    let (body, _) = assignments(&app)?;
    let slow =
        Fault { seconds: Some(1.0), ..Fault::for_next_calls(ASSIGN_METHOD, FaultKind::Latency, 1) };
    app.sandbox.add_fault(slow);
    let limit = std::time::Duration::from_millis(300);
    let hung_up = tokio::time::timeout(limit, api.post("role-assignments", &body)).await;
    assert!(hung_up.is_err(), "the response arrived before the caller could hang up");
    let mut response = api.post("role-assignments", &body).await?;
    response.problem(409, "idempotency_key_in_flight");
    while response.status == 409 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        response = api.post("role-assignments", &body).await?;
    }
    assert!(response.status == 201 && is_replay(&response), "{}", response.text);
    assert_eq!(app.calls(ASSIGN_METHOD), 1);
    Ok(())
}

/// Sets the age of every request's heartbeat, in seconds.
async fn set_heartbeat_age(pool: &PgPool, seconds: i32) -> anyhow::Result<()> {
    let silent =
        "UPDATE idempotency_keys SET alive_at = clock_timestamp() - make_interval(secs => $1)";
    sqlx::query(silent).bind(f64::from(seconds)).execute(pool).await?;
    Ok(())
}

/// Resets the row of a finished request to its state after a crash.
async fn crash(pool: &PgPool) -> anyhow::Result<()> {
    let crashed = "UPDATE idempotency_keys SET finished_at = NULL, status = NULL, headers = NULL,
        master_key_id = NULL, data_key = NULL, body = NULL";
    assert_eq!(sqlx::query(crashed).execute(pool).await?.rows_affected(), 1);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reports_recorded_actions_after_a_crash(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    let account = app.link("acme").await?;
    let api = app.home.api.clone();
    let path = format!("integrated-accounts/{account}/tokens");
    // An older request with the same caller-given id must not be confused with this one.
    let api = api.with("x-request-id", "mine")?;
    api.post(&path, &json!({})).await?.created()?;
    app.clock.advance(Duration::minutes(1));
    let first = keyed(&api, "first")?;
    let token = first.post(&path, &json!({})).await?.created()?;
    crash(&pool).await?;
    // The database's clock counts, not those of the processes.
    app.clock.advance(Duration::hours(1));
    set_heartbeat_age(&pool, 110).await?;
    first.post(&path, &json!({})).await?.problem(409, "idempotency_key_in_flight");
    set_heartbeat_age(&pool, 121).await?;
    let again = first.with("x-request-id", "later")?;
    for _ in 0..2 {
        let response = again.post(&path, &json!({})).await?;
        let problem = response.problem(409, "idempotency_in_doubt");
        assert_eq!(problem["first_request_id"], "mine", "{problem}");
        let known = problem["recorded_actions"].as_array().context("the outcome is unknown")?;
        assert_eq!(known.len(), 1, "{problem}");
        assert_eq!(known[0]["action"], "account_token.created", "{problem}");
        assert_eq!(known[0]["subject"], token["result"]["id"], "{problem}");
        assert_eq!(known[0]["outcome"], "done", "{problem}");
        assert!(known[0]["at"].as_str().is_some_and(|at| at.ends_with('Z')), "{problem}");
    }
    let other = again.post(&path, &json!({"expires_in_s": 60})).await?;
    other.problem(422, "idempotency_key_reused");
    let tokens: i64 =
        sqlx::query_scalar("SELECT count(*) FROM account_tokens").fetch_one(&pool).await?;
    assert_eq!(tokens, 2, "no call was repeated");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn stores_the_final_response_and_releases_the_key_on_failure(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let api = app.client_for(&account)?;
    let (request, _) = assignments(&app)?;

    let rejected = keyed(&api, "refused")?;
    let unknown = json!({"user_id": request["user_id"], "role_id": "king"});
    let first = rejected.post("role-assignments", &unknown).await?;
    first.problem(422, "role_not_assignable");
    let again = rejected.post("role-assignments", &unknown).await?;
    assert!(is_replay(&again) && again.text == first.text, "{}", again.text);
    assert_eq!(again.header("content-type"), "application/problem+json");
    assert_eq!(again.body["request_id"], first.header("x-request-id"));

    let failed = keyed(&api, "failed")?;
    app.sandbox.add_fault(Fault::for_next_calls(ASSIGN_METHOD, FaultKind::Html, 1));
    failed.post("role-assignments", &request).await?.problem(502, "provider_error");
    failed.post("role-assignments", &request).await?.created()?;

    let lost = keyed(&api, "lost")?;
    app.uninstall(&account).await?;
    lost.post("role-assignments", &request).await?.problem(409, "account_needs_reauth");
    app.relink("acme", &account).await?;
    lost.post("role-assignments", &request).await?.created()?;

    let reader = app.client(app.home.environment_id, &[Scope::Read]).await?;
    let reader = reader.with("x-integrated-account-id", &account)?;
    let not_me = keyed(&reader, "mine")?.post("role-assignments", &request).await?;
    not_me.problem(403, "insufficient_scope");
    keyed(&api, "mine")?.post("role-assignments", &request).await?.created()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_an_invalid_key_and_stores_nothing_without_authentication(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    let api = app.linked_client().await?;
    let (body, _) = assignments(&app)?;
    for key in ["", "two words", "sm\u{f8}rrebr\u{f8}d", &"k".repeat(256)] {
        let response = keyed(&api, key)?.post("role-assignments", &body).await?;
        response.problem(400, "idempotency_key_invalid");
    }
    let stranger = keyed(&app.anonymous()?, "first")?;
    stranger.post("role-assignments", &body).await?.problem(401, "unauthorized");
    let rows: i64 =
        sqlx::query_scalar("SELECT count(*) FROM idempotency_keys").fetch_one(&pool).await?;
    assert_eq!((rows, app.calls(ASSIGN_METHOD)), (0, 0));
    let longest = keyed(&api, &"k".repeat(255))?;
    longest.post("role-assignments", &body).await?.created()?;
    Ok(())
}
