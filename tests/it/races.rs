//! Races: a lock of the test stops one request at a known point until the second one has arrived.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::{PgPool, Postgres, Transaction};
use switchboard::domain::clock::Clock as _;
use switchboard::sandbox::{DEFAULT_SIGNING_SECRET, Fault, FaultKind};

use crate::support::{Browser, TestApp, link_url, slack_signature};

const POLL_INTERVAL: Duration = Duration::from_millis(2);
const TIMEOUT: Duration = Duration::from_secs(20);
const TOKENS: &str = "oauth.v2.access";

/// Opens a transaction that has executed this statement.
async fn open_transaction(
    pool: &PgPool,
    statement: &'static str,
) -> anyhow::Result<Transaction<'static, Postgres>> {
    let mut tx = pool.begin().await?;
    sqlx::query(statement).execute(&mut *tx).await?;
    Ok(tx)
}

/// Waits until a query returns at least `least`.
async fn wait_for_count(pool: &PgPool, query: &'static str, least: i64) -> anyhow::Result<()> {
    let is_reached = async {
        while sqlx::query_scalar::<_, i64>(query).fetch_one(pool).await? < least {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(TIMEOUT, is_reached).await.context("the state was not reached")?
}

/// Sessions that wait to lock an account's tokens.
const WAITING_FOR_TOKENS: &str =
    "select count(*) from pg_stat_activity where datname = current_database()
    and wait_event_type = 'Lock' and query ilike '%from account_credentials%for update%'";
/// Sessions that wait to lock all tokens.
const WAITING_FOR_ALL_TOKENS: &str =
    "select count(*) from pg_stat_activity where datname = current_database()
    and wait_event_type = 'Lock' and query ilike 'lock table account_credentials%'";
/// Sessions that wait to store an account.
const WAITING_FOR_ACCOUNT: &str =
    "select count(*) from pg_stat_activity where datname = current_database()
    and wait_event_type = 'Lock' and query ilike 'insert into integrated_accounts%'";
/// Sessions that wait to delete link tokens.
const WAITING_FOR_LINK_TOKENS: &str =
    "select count(*) from pg_stat_activity where datname = current_database()
    and wait_event_type = 'Lock' and query ilike 'delete from link_tokens%'";

/// Sessions that hold an account's tokens and wait to write the audit log.
const WAITING_FOR_AUDIT_LOG: &str = "select count(distinct waiting.pid)
    from pg_locks waiting join pg_locks holding using (pid)
    where waiting.relation = 'audit_log'::regclass and not waiting.granted
      and holding.relation = 'account_credentials'::regclass and holding.mode like 'Row%'";

/// Terminates these sessions.
const TERMINATE_WAITING_FOR_AUDIT_LOG: &str =
    "select count(*) filter (where pg_terminate_backend(pid)) from (
    select distinct waiting.pid
    from pg_locks waiting join pg_locks holding using (pid)
    where waiting.relation = 'audit_log'::regclass and not waiting.granted
      and holding.relation = 'account_credentials'::regclass and holding.mode like 'Row%') holders";

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_database_failure_before_new_tokens_are_stored_loses_no_grant(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::with(pool.clone(), |setup| setup.sandbox.refresh_grace_s = 0).await?;
    let api = app.linked_client().await?;
    app.sandbox.advance_clock(time::Duration::hours(13));
    let lock = open_transaction(&pool, "lock table audit_log in exclusive mode").await?;
    let cut_off = async {
        wait_for_count(&pool, TERMINATE_WAITING_FOR_AUDIT_LOG, 1).await?;
        lock.rollback().await?;
        anyhow::Ok(())
    };
    let (called, cut_off) = tokio::join!(api.get("proxy/api/auth.test"), cut_off);
    cut_off?;
    called?.success()?;
    api.get("users?limit=1").await?.success()?;
    assert_eq!(app.sandbox.stats().refreshes, 1, "the one pair that there was is stored");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_rejected_refresh_of_a_replaced_token_does_not_end_the_account(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::with(pool.clone(), |setup| setup.sandbox.refresh_grace_s = 0).await?;
    let account = app.link("acme").await?;
    let api = app.client_for(&account)?;
    app.sandbox.advance_clock(time::Duration::hours(13));
    let lock = open_transaction(&pool, "lock table audit_log in exclusive mode").await?;
    // The other gateway gets the lock when the one with the new pair loses its connection, is rejected, and
    // records that before the one tries again.
    let other = async {
        wait_for_count(&pool, WAITING_FOR_AUDIT_LOG, 1).await?;
        let mut tx = pool.begin().await?;
        let queue = sqlx::query("lock table account_credentials in exclusive mode");
        let cut_off = async {
            wait_for_count(&pool, WAITING_FOR_ALL_TOKENS, 1).await?;
            wait_for_count(&pool, TERMINATE_WAITING_FOR_AUDIT_LOG, 1).await?;
            lock.rollback().await?;
            anyhow::Ok(())
        };
        let (queued, cut_off) = tokio::join!(queue.execute(&mut *tx), cut_off);
        cut_off?;
        queued?;
        let rejected = "insert into credential_refreshes
                (environment_id, integrated_account_id, generation, attempt, started_at, finished_at, outcome)
            select environment_id, integrated_account_id, generation, 2, now(), now(), 'refused'
            from account_credentials";
        sqlx::query(rejected).execute(&mut *tx).await?;
        let marked = "update integrated_accounts
            set status = 'needs_reauth', status_reason = 'invalid_refresh_token'";
        sqlx::query(marked).execute(&mut *tx).await?;
        tx.commit().await?;
        anyhow::Ok(())
    };
    let (called, other) = tokio::join!(api.get("proxy/api/auth.test"), other);
    other?;
    called?.success()?;
    let reported = app.home.api.get(&format!("integrated-accounts/{account}")).await?.success()?;
    assert_eq!(reported.pointer("/result/status"), Some(&json!("active")));
    let events = app.home.api.get("events?limit=100").await?.success()?;
    let last = events["result"].as_array().and_then(|events| events.last()).cloned();
    assert_eq!(last.context("none")?["type"], "integrated_account.reactivated");
    api.get("users?limit=1").await?.success()?;
    assert_eq!(app.sandbox.stats().refreshes, 1);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_refresh_does_not_reconnect_a_disconnected_account(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    let account = app.link("acme").await?;
    let path = format!("integrated-accounts/{account}");
    let body = json!({"tenant_id": "acme", "integrated_account_id": account});
    let url = link_url(&app.home, &body).await?;
    let lock = open_transaction(&pool, "select from account_credentials for update").await?;
    let link = async {
        wait_for_count(&pool, WAITING_FOR_TOKENS, 1).await?;
        Browser::new()?.complete_link(&url).await
    };
    let release = async {
        wait_for_count(&pool, WAITING_FOR_TOKENS, 2).await?;
        lock.rollback().await?;
        anyhow::Ok(())
    };
    let (removed, linked, released) = tokio::join!(app.home.admin.delete(&path), link, release);
    released?;
    removed?.success()?;
    let page = linked?;
    assert!(page.status == 404 && page.text.contains("account_not_found"), "{page:?}");
    let account = app.home.api.get(&path).await?.success()?;
    assert_eq!(account.pointer("/result/status"), Some(&json!("disconnected")));
    let left: i64 =
        sqlx::query_scalar("select count(*) from account_credentials").fetch_one(&pool).await?;
    assert_eq!(left, 0, "the tokens of a disconnected account are deleted");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_provider_app_in_use_by_a_link_can_not_be_deleted(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    let apps = app.home.admin.get("provider-apps").await?.success()?;
    let id = apps.pointer("/result/0/id").and_then(Value::as_str).context("no app")?;
    let path = format!("provider-apps/{id}");
    let url = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    let lock = open_transaction(&pool, "lock table integrated_accounts in share mode").await?;
    let remove = async {
        wait_for_count(&pool, WAITING_FOR_ACCOUNT, 1).await?;
        app.home.admin.delete(&path).await
    };
    let release = async {
        wait_for_count(&pool, WAITING_FOR_LINK_TOKENS, 1).await?;
        lock.rollback().await?;
        anyhow::Ok(())
    };
    let mut browser = Browser::new()?;
    let (linked, removed, released) = tokio::join!(browser.complete_link(&url), remove, release);
    released?;
    let page = linked?;
    assert_eq!(page.status, 200, "{}", page.text);
    removed?.problem(409, "provider_app_in_use");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_browser_that_disconnects_during_the_exchange_loses_no_grant(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    let url = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    let mut browser = Browser::new()?;
    let consent = browser.start_consent(&url).await?;
    let back = browser.submit_consent(&consent, "decision=approve&install=org").await?;
    let fault = Fault::for_next_calls(TOKENS, FaultKind::Latency, 1);
    app.sandbox.add_fault(Fault { seconds: Some(0.3), ..fault });
    let is_asked = async {
        while app.calls(TOKENS) == 0 {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    };
    tokio::select! {
        page = browser.get(&back) => anyhow::bail!("it was not held: {page:?}"),
        () = is_asked => drop(browser),
    }
    wait_for_count(&pool, "select count(*) from integrated_accounts where status = 'active'", 1)
        .await?;
    let token = url.path_segments().and_then(Iterator::last).context("no token")?;
    let status = app.anonymous()?.get(&format!("link/{token}/status")).await?.success()?;
    assert_eq!(status["status"], "linked", "{status}");
    Ok(())
}

/// Sends Slack's notice that an account's grant ended; returns the status.
async fn send_notice(app: &TestApp, account: &Value, at: i64) -> anyhow::Result<u16> {
    let organization = account.pointer("/organization/id").context("no organization")?;
    let body = json!({
        "type": "event_callback", "team_id": organization, "enterprise_id": organization,
        "api_app_id": "A1", "event_id": "Ev1", "event_time": at,
        "authorizations": [{"enterprise_id": organization, "is_enterprise_install": true}],
        "event": {"type": "tokens_revoked", "tokens": {"oauth": [account["installer_id"]], "bot": []}},
    })
    .to_string();
    let now = app.clock.now().unix_timestamp().to_string();
    let signature = slack_signature(DEFAULT_SIGNING_SECRET, &now, &body)?;
    let slack = app
        .anonymous()?
        .with("x-slack-request-timestamp", &now)?
        .with("x-slack-signature", &signature)?;
    let body = Some(("application/json", body.as_str()));
    Ok(slack.send(http::Method::POST, "events/slack", body).await?.status)
}

/// Sessions that wait for another session's lock.
const WAITING_FOR_ANY_LOCK: &str = "select count(*) from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'";

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_revocation_notice_does_not_affect_a_link_in_progress(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    let id = app.link("acme").await?;
    let path = format!("integrated-accounts/{id}");
    let account = app.home.api.get(&path).await?.success()?["result"].clone();
    let revoked_at = app.clock.now().unix_timestamp();
    app.clock.advance(time::Duration::seconds(30));
    let body = json!({"tenant_id": "acme", "integrated_account_id": id});
    let url = link_url(&app.home, &body).await?;
    // The link has changed the account, and waits to commit.
    let lock = open_transaction(&pool, "lock table audit_log in exclusive mode").await?;
    let link = async { Browser::new()?.complete_link(&url).await };
    let reported = async {
        wait_for_count(&pool, WAITING_FOR_ANY_LOCK, 1).await?;
        send_notice(&app, &account, revoked_at).await
    };
    let release = async {
        wait_for_count(&pool, WAITING_FOR_ANY_LOCK, 2).await?;
        lock.rollback().await?;
        anyhow::Ok(())
    };
    let (link, reported, released) = tokio::join!(link, reported, release);
    released?;
    assert_eq!((link?.status, reported?), (200, 200));
    let now = app.home.api.get(&path).await?.success()?;
    assert_eq!(now.pointer("/result/status"), Some(&json!("active")));
    // One about the new grant takes effect.
    app.clock.advance(time::Duration::seconds(30));
    assert_eq!(send_notice(&app, &account, app.clock.now().unix_timestamp()).await?, 200);
    let now = app.home.api.get(&path).await?.success()?;
    assert_eq!(now.pointer("/result/status"), Some(&json!("needs_reauth")));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_token_created_during_a_disconnect_is_revoked_with_it(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    let id = app.link("acme").await?;
    let (path, tokens) =
        (format!("integrated-accounts/{id}"), format!("integrated-accounts/{id}/tokens"));
    // No token of such an account is revoked first.
    sqlx::query("update integrated_accounts set status = 'needs_reauth'").execute(&pool).await?;
    // The disconnect has changed the account, and waits to commit.
    let lock = open_transaction(&pool, "lock table audit_log in exclusive mode").await?;
    let forced = format!("{path}?force=true");
    let removed = app.home.admin.delete(&forced);
    let body = json!({});
    let created = async {
        wait_for_count(
            &pool,
            "select count(*) from pg_locks waiting join pg_locks holding using (pid)
            where waiting.relation = 'audit_log'::regclass and not waiting.granted
              and holding.relation = 'account_tokens'::regclass",
            1,
        )
        .await?;
        app.home.api.post(&tokens, &body).await
    };
    let release = async {
        wait_for_count(&pool, WAITING_FOR_ANY_LOCK, 2).await?;
        lock.rollback().await?;
        anyhow::Ok(())
    };
    let (removed, created, released) = tokio::join!(removed, created, release);
    released?;
    removed?.success()?;
    created?.problem(409, "account_disconnected");
    let left: i64 =
        sqlx::query_scalar("select count(*) from account_tokens").fetch_one(&pool).await?;
    assert_eq!(left, 0);
    app.home.api.post(&tokens, &body).await?.problem(409, "account_disconnected");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_refresh_of_an_older_pair_does_not_return_the_rejected_pair(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    let id = app.link("acme").await?.parse()?;
    let (tokens, store) = (&app.state.tokens, &app.state.store);
    let account = store.tenant(app.home.environment_id).account(id).await?.context("none")?;
    let until_then = tokio::time::Instant::now() + TIMEOUT;
    // Another gateway refreshes the first pair, and the second one is rejected.
    let lock = open_transaction(&pool, "update account_credentials set generation = 2").await?;
    let first = tokens.replace_rejected(&account, 1, "token_expired", until_then);
    let second = async {
        wait_for_count(&pool, WAITING_FOR_TOKENS, 1).await?;
        let second = tokens.replace_rejected(&account, 2, "token_expired", until_then);
        let release = async {
            tokio::task::yield_now().await;
            lock.commit().await
        };
        let (second, released) = tokio::join!(second, release);
        released?;
        anyhow::Ok(second?.generation)
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first?.generation, second?), (2, 3));
    Ok(())
}

/// Sessions that wait to claim an idempotency key.
const WAITING_FOR_CLAIM: &str =
    "select count(*) from pg_stat_activity where datname = current_database()
    and wait_event_type = 'Lock' and query ilike 'insert into idempotency_keys%'";

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_caller_that_disconnects_during_the_claim_leaves_no_orphaned_key(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    let api = app.linked_client().await?.with("idempotency-key", "once")?;
    let body = json!({"name": "Claimed Once"});
    let lock = open_transaction(&pool, "lock table idempotency_keys in exclusive mode").await?;
    tokio::select! {
        response = api.post("groups", &body) => anyhow::bail!("responded too soon: {response:?}"),
        waits = wait_for_count(&pool, WAITING_FOR_CLAIM, 1) => waits?,
    }
    // The caller has disconnected; the claim continues.
    lock.rollback().await?;
    wait_for_count(&pool, "select count(*) from idempotency_keys where finished_at is not null", 1)
        .await?;
    let again = api.post("groups", &body).await?;
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"));
    assert_eq!(app.calls("scim.groups.create"), 1);
    Ok(())
}
