//! `Idempotency-Key`: a change asked for twice is made once. What reached the provider is counted in
//! the sandbox's journal.

use anyhow::Context as _;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::access::Scope;
use switchboard::sandbox::{Fault, FaultKind};
use time::Duration;

use crate::support::{Answer, Client, TestApp, bearer};

/// The provider's method behind the changes of these tests.
const GIVE: &str = "admin.roles.addAssignments";

/// The wish for a system role, and the same for another one.
fn wishes(app: &TestApp) -> anyhow::Result<(Value, Value)> {
    let user = app.sandbox.with_org(|org| {
        let is_plain = |one: &&switchboard::sandbox::org::Person| {
            one.is_active() && !one.is_bot() && one.guest().is_none()
        };
        org.people().iter().find(is_plain).map(|one| one.id.clone())
    });
    let user = user.context("nobody")?;
    let wish = |role: &str| json!({"user_id": user, "role_id": role});
    Ok((wish("Rl04"), wish("Rl05")))
}

fn keyed(client: &Client, key: &str) -> anyhow::Result<Client> {
    client.clone().with("idempotency-key", key)
}

fn is_replay(answer: &Answer) -> bool {
    answer.header("idempotency-replayed") == "true"
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_same_request_gets_the_same_answer_and_is_done_once(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = keyed(&app.linked().await?, "first")?;
    let (wish, _) = wishes(&app)?;
    let first = api.post("role-assignments", &wish).await?;
    assert!(first.status == 201 && !is_replay(&first), "{}", first.text);
    let calls = app.sandbox.requests(None).counts;
    for _ in 0..3 {
        let again = api.post("role-assignments", &wish).await?;
        assert!(is_replay(&again), "{:?}", again.headers);
        assert_eq!((again.status, &again.text), (201, &first.text));
        assert_eq!(again.header("content-type"), first.header("content-type"));
        assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
    }
    assert_eq!(app.sandbox.requests(None).counts, calls);
    assert_eq!(app.calls(GIVE), 1);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn another_request_with_the_key_is_refused(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = keyed(&app.linked().await?, "first")?;
    let (wish, other) = wishes(&app)?;
    api.post("role-assignments", &wish).await?.created()?;
    let text = wish.to_string();
    let reused = [
        api.post("role-assignments", &other).await?,
        api.post("role-assignments?exclude_fields[]=id", &wish).await?,
        api.post("workspaces/T1/members", &wish).await?,
        api.send(Method::POST, "role-assignments", Some(("application/x+json", &text))).await?,
        api.send(Method::DELETE, "role-assignments/x", None).await?,
        api.clone()
            .with("x-integrated-account-id", "acc_1")?
            .post("role-assignments", &wish)
            .await?,
    ];
    for answer in reused {
        answer.problem(422, "idempotency_key_reused");
    }
    assert_eq!(app.calls(GIVE), 1);
    // A key means nothing where nothing is changed.
    api.get("users?limit=1").await?.okay()?;
    api.get("users?limit=2").await?.okay()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn of_many_at_once_one_is_done(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = keyed(&app.linked().await?, "first")?;
    let (wish, _) = wishes(&app)?;
    let all = futures_util::future::join_all((0..20).map(|_| api.post("role-assignments", &wish)));
    let mut texts = std::collections::BTreeSet::new();
    let mut done = 0;
    for answer in all.await {
        let answer = answer?;
        if answer.status == 409 {
            answer.problem(409, "idempotency_key_in_flight");
            assert_eq!(answer.header("retry-after"), "1");
        } else {
            assert_eq!(answer.status, 201, "{}", answer.text);
            done += usize::from(!is_replay(&answer));
            texts.insert(answer.text);
        }
    }
    assert_eq!((done, texts.len()), (1, 1));
    assert_eq!(app.calls(GIVE), 1);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_key_counts_for_its_caller_alone(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let other = app.tenant("other").await?;
    let foreign = app.link_in(&other, "globex").await?;
    let foreign = other.api.clone().with("x-integrated-account-id", &foreign)?;
    let tokens = format!("integrated-accounts/{account}/tokens");
    let token = app.home.api.post(&tokens, &json!({})).await?.created()?;
    let token = token["result"]["token"].as_str().context("no token")?;
    let bound = app.nobody()?.with("authorization", &bearer(token))?;
    let (wish, _) = wishes(&app)?;
    let account_key = app.client(app.home.environment_id, Scope::ACCOUNT).await?;
    let other_key = account_key.with("x-integrated-account-id", &account)?;
    for client in [app.on(&account)?, other_key, foreign, bound] {
        let client = keyed(&client, "first")?;
        for again in [false, true] {
            let answer = client.post("role-assignments", &wish).await?;
            assert_eq!((answer.status, is_replay(&answer)), (201, again), "{}", answer.text);
        }
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_stored_response_is_unreadable_in_the_table(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    let api = app.linked().await?;
    let made = keyed(&api, "first")?.post("groups", &json!({"name": "Sealed Name"})).await?;
    assert_eq!(made.status, 201, "{}", made.text);
    let row: Value =
        sqlx::query_scalar("SELECT to_jsonb(k) FROM idempotency_keys k").fetch_one(&pool).await?;
    let readable = "SELECT position('Sealed Name'::bytea IN body) > 0 FROM idempotency_keys";
    assert!(!sqlx::query_scalar::<_, bool>(readable).fetch_one(&pool).await?);
    assert!(row["body"].as_str().is_some_and(|hex| hex.len() > 2 * made.text.len()), "{row}");
    // Moved to another key's row, it does not open.
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
    let made = app.home.admin.post("api-keys", &json!({"name": "x", "scopes": ["read"]})).await?;
    let key = made.created()?["result"]["id"].as_str().context("no id")?.to_owned();
    for (number, (path, body, field, id)) in [
        ("api-keys".to_owned(), json!({"name": "x", "scopes": ["read"]}), "key", "id"),
        (format!("api-keys/{key}/rotate"), json!({}), "key", "id"),
        (format!("integrated-accounts/{account}/tokens"), json!({}), "token", "id"),
        ("link-tokens".to_owned(), json!({"tenant_id": "a"}), "link_token", "id"),
        ("environments".to_owned(), json!({"name": "another"}), "key", "key_id"),
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
async fn a_bound_key_gets_no_response_of_a_free_one(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let tokens = format!("integrated-accounts/{account}/tokens");
    let (wish, _) = wishes(&app)?;
    let mut replays = Vec::new();
    // Tokens of one account and of the same bounds share keys; others do not.
    for bounds in [
        json!({}),
        json!({}),
        json!({"allowed_methods": ["users.*"]}),
        json!({"scopes": ["read", "write"]}),
    ] {
        let token = app.home.api.post(&tokens, &bounds).await?.created()?;
        let token = token["result"]["token"].as_str().context("no token")?;
        let bound = app.nobody()?.with("authorization", &bearer(token))?;
        let answer = keyed(&bound, "shared")?.post("role-assignments", &wish).await?;
        assert_eq!(answer.status, 201, "{}", answer.text);
        replays.push(is_replay(&answer));
    }
    assert_eq!(replays, [false, true, false, false]);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn after_a_day_the_key_is_free_and_old_rows_go(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    let api = app.linked().await?;
    let (wish, other) = wishes(&app)?;
    for key in ["first", "second"] {
        keyed(&api, key)?.post("role-assignments", &wish).await?.created()?;
    }
    let first = keyed(&api, "first")?;
    app.clock.advance(Duration::hours(24) - Duration::seconds(1));
    assert!(is_replay(&first.post("role-assignments", &wish).await?));
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
async fn a_caller_who_hangs_up_finds_the_answer_later(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = keyed(&app.linked().await?, "first")?;
    let (wish, _) = wishes(&app)?;
    let slow = Fault { seconds: Some(1.0), ..Fault::next(GIVE, FaultKind::Latency, 1) };
    app.sandbox.add_fault(slow);
    let patience = std::time::Duration::from_millis(300);
    let hung_up = tokio::time::timeout(patience, api.post("role-assignments", &wish)).await;
    assert!(hung_up.is_err(), "the answer came too soon to hang up");
    let mut answer = api.post("role-assignments", &wish).await?;
    answer.problem(409, "idempotency_key_in_flight");
    while answer.status == 409 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        answer = api.post("role-assignments", &wish).await?;
    }
    assert!(answer.status == 201 && is_replay(&answer), "{}", answer.text);
    assert_eq!(app.calls(GIVE), 1);
    Ok(())
}

/// Makes the last sign of every request so many seconds old.
async fn silent_for(pool: &PgPool, seconds: i32) -> anyhow::Result<()> {
    let silent =
        "UPDATE idempotency_keys SET alive_at = clock_timestamp() - make_interval(secs => $1)";
    sqlx::query(silent).bind(f64::from(seconds)).execute(pool).await?;
    Ok(())
}

/// Makes the row of a finished request what a crash before its end leaves.
async fn crash(pool: &PgPool) -> anyhow::Result<()> {
    let crashed = "UPDATE idempotency_keys SET finished_at = NULL, status = NULL, headers = NULL,
        master_key_id = NULL, data_key = NULL, body = NULL";
    assert_eq!(sqlx::query(crashed).execute(pool).await?.rows_affected(), 1);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn after_a_crash_in_the_middle_it_is_told_what_is_known(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    let account = app.link("acme").await?;
    let api = app.home.api.clone();
    let path = format!("integrated-accounts/{account}/tokens");
    // The same caller-given id on an older request must not be mistaken for this one.
    let api = api.with("x-request-id", "mine")?;
    api.post(&path, &json!({})).await?.created()?;
    app.clock.advance(Duration::minutes(1));
    let first = keyed(&api, "first")?;
    let token = first.post(&path, &json!({})).await?.created()?;
    crash(&pool).await?;
    // The clocks of the processes do not count: the database's does.
    app.clock.advance(Duration::hours(1));
    silent_for(&pool, 110).await?;
    first.post(&path, &json!({})).await?.problem(409, "idempotency_key_in_flight");
    silent_for(&pool, 121).await?;
    let again = first.with("x-request-id", "later")?;
    for _ in 0..2 {
        let answer = again.post(&path, &json!({})).await?;
        let problem = answer.problem(409, "idempotency_in_doubt");
        assert_eq!(problem["first_request_id"], "mine", "{problem}");
        let known = problem["known"].as_array().context("nothing is known")?;
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
    assert_eq!(tokens, 2, "nothing was done again");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_last_word_is_kept_and_a_failure_frees_the_key(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let api = app.on(&account)?;
    let (wish, _) = wishes(&app)?;

    let refused = keyed(&api, "refused")?;
    let unknown = json!({"user_id": wish["user_id"], "role_id": "king"});
    let first = refused.post("role-assignments", &unknown).await?;
    first.problem(422, "role_not_assignable");
    let again = refused.post("role-assignments", &unknown).await?;
    assert!(is_replay(&again) && again.text == first.text, "{}", again.text);
    assert_eq!(again.header("content-type"), "application/problem+json");
    assert_eq!(again.body["request_id"], first.header("x-request-id"));

    let failed = keyed(&api, "failed")?;
    app.sandbox.add_fault(Fault::next(GIVE, FaultKind::Html, 1));
    failed.post("role-assignments", &wish).await?.problem(502, "provider_error");
    failed.post("role-assignments", &wish).await?.created()?;

    let lost = keyed(&api, "lost")?;
    app.uninstall(&account).await?;
    lost.post("role-assignments", &wish).await?.problem(409, "account_needs_reauth");
    app.link_again("acme", &account).await?;
    lost.post("role-assignments", &wish).await?.created()?;

    let reader = app.client(app.home.environment_id, &[Scope::Read]).await?;
    let reader = reader.with("x-integrated-account-id", &account)?;
    let not_me = keyed(&reader, "mine")?.post("role-assignments", &wish).await?;
    not_me.problem(403, "insufficient_scope");
    keyed(&api, "mine")?.post("role-assignments", &wish).await?.created()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_key_that_is_none_is_refused_and_a_stranger_leaves_no_trace(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    let api = app.linked().await?;
    let (wish, _) = wishes(&app)?;
    for key in ["", "two words", "sm\u{f8}rrebr\u{f8}d", &"k".repeat(256)] {
        let answer = keyed(&api, key)?.post("role-assignments", &wish).await?;
        answer.problem(400, "idempotency_key_invalid");
    }
    let stranger = keyed(&app.nobody()?, "first")?;
    stranger.post("role-assignments", &wish).await?.problem(401, "unauthorized");
    let rows: i64 =
        sqlx::query_scalar("SELECT count(*) FROM idempotency_keys").fetch_one(&pool).await?;
    assert_eq!((rows, app.calls(GIVE)), (0, 0));
    let longest = keyed(&api, &"k".repeat(255))?;
    longest.post("role-assignments", &wish).await?.created()?;
    Ok(())
}
