//! Two things at one moment: a lock of the test's holds the first where it stands until the second has come.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::{PgPool, Postgres, Transaction};
use switchboard::domain::clock::Clock as _;
use switchboard::sandbox::{DEFAULT_SIGNING_SECRET, Fault, FaultKind};

use crate::support::{Browser, TestApp, link_url, slack_signature};

const GLANCE: Duration = Duration::from_millis(2);
const LONGEST: Duration = Duration::from_secs(20);
const TOKENS: &str = "oauth.v2.access";

/// A transaction that has done this and stays open.
async fn hold(
    pool: &PgPool,
    statement: &'static str,
) -> anyhow::Result<Transaction<'static, Postgres>> {
    let mut tx = pool.begin().await?;
    sqlx::query(statement).execute(&mut *tx).await?;
    Ok(tx)
}

/// Waits until a question to the database has an answer of at least `least`.
async fn until(pool: &PgPool, question: &'static str, least: i64) -> anyhow::Result<()> {
    let has_come = async {
        while sqlx::query_scalar::<_, i64>(question).fetch_one(pool).await? < least {
            tokio::time::sleep(GLANCE).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(LONGEST, has_come).await.context("the moment did not come")?
}

/// How many sessions wait to lock an account's tokens.
const FOR_TOKENS: &str = "select count(*) from pg_stat_activity where datname = current_database()
    and wait_event_type = 'Lock' and query ilike '%from account_credentials%for update%'";
/// How many wait for all of them.
const IN_LINE: &str = "select count(*) from pg_stat_activity where datname = current_database()
    and wait_event_type = 'Lock' and query ilike 'lock table account_credentials%'";
/// How many wait to store an account.
const FOR_ACCOUNT: &str = "select count(*) from pg_stat_activity where datname = current_database()
    and wait_event_type = 'Lock' and query ilike 'insert into integrated_accounts%'";
/// How many wait to delete link tokens.
const FOR_LINK_TOKENS: &str =
    "select count(*) from pg_stat_activity where datname = current_database()
    and wait_event_type = 'Lock' and query ilike 'delete from link_tokens%'";

/// Who holds an account's tokens and would write the audit log.
const HOLDERS: &str = "select count(distinct waiting.pid)
    from pg_locks waiting join pg_locks holding using (pid)
    where waiting.relation = 'audit_log'::regclass and not waiting.granted
      and holding.relation = 'account_credentials'::regclass and holding.mode like 'Row%'";

/// Their connections end.
const KILL: &str = "select count(*) filter (where pg_terminate_backend(pid)) from (
    select distinct waiting.pid
    from pg_locks waiting join pg_locks holding using (pid)
    where waiting.relation = 'audit_log'::regclass and not waiting.granted
      and holding.relation = 'account_credentials'::regclass and holding.mode like 'Row%') holders";

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_database_that_fails_with_the_new_tokens_in_hand_loses_no_grant(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::with(pool.clone(), |setup| setup.sandbox.refresh_grace_s = 0).await?;
    let api = app.linked().await?;
    app.sandbox.advance_clock(time::Duration::hours(13));
    let lock = hold(&pool, "lock table audit_log in exclusive mode").await?;
    let cut_off = async {
        until(&pool, KILL, 1).await?;
        lock.rollback().await?;
        anyhow::Ok(())
    };
    let (called, cut_off) = tokio::join!(api.get("proxy/api/auth.test"), cut_off);
    cut_off?;
    called?.okay()?;
    api.get("users?limit=1").await?.okay()?;
    assert_eq!(app.sandbox.state().refreshes, 1, "the one pair that there was is stored");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn what_another_gateway_made_of_the_spent_token_does_not_end_the_account(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::with(pool.clone(), |setup| setup.sandbox.refresh_grace_s = 0).await?;
    let account = app.link("acme").await?;
    let api = app.on(&account)?;
    app.sandbox.advance_clock(time::Duration::hours(13));
    let lock = hold(&pool, "lock table audit_log in exclusive mode").await?;
    // The other gateway: it gets the lock when the one with the new pair loses its connection, is refused, and
    // writes that down before the one tries again.
    let other = async {
        until(&pool, HOLDERS, 1).await?;
        let mut tx = pool.begin().await?;
        let queue = sqlx::query("lock table account_credentials in exclusive mode");
        let cut_off = async {
            until(&pool, IN_LINE, 1).await?;
            until(&pool, KILL, 1).await?;
            lock.rollback().await?;
            anyhow::Ok(())
        };
        let (queued, cut_off) = tokio::join!(queue.execute(&mut *tx), cut_off);
        cut_off?;
        queued?;
        let refused = "insert into credential_refreshes
                (environment_id, integrated_account_id, generation, attempt, started_at, finished_at, outcome)
            select environment_id, integrated_account_id, generation, 2, now(), now(), 'refused'
            from account_credentials";
        sqlx::query(refused).execute(&mut *tx).await?;
        let marked = "update integrated_accounts
            set status = 'needs_reauth', status_reason = 'invalid_refresh_token'";
        sqlx::query(marked).execute(&mut *tx).await?;
        tx.commit().await?;
        anyhow::Ok(())
    };
    let (called, other) = tokio::join!(api.get("proxy/api/auth.test"), other);
    other?;
    called?.okay()?;
    let told = app.home.api.get(&format!("integrated-accounts/{account}")).await?.okay()?;
    assert_eq!(told.pointer("/result/status"), Some(&json!("active")));
    let events = app.home.api.get("events?limit=100").await?.okay()?;
    let last = events["result"].as_array().and_then(|events| events.last()).cloned();
    assert_eq!(last.context("none")?["type"], "integrated_account.reactivated");
    api.get("users?limit=1").await?.okay()?;
    assert_eq!(app.sandbox.state().refreshes, 1);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_account_that_is_disconnected_meanwhile_is_not_connected_again(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    let account = app.link("acme").await?;
    let path = format!("integrated-accounts/{account}");
    let wish = json!({"tenant_id": "acme", "integrated_account_id": account});
    let url = link_url(&app.home, &wish).await?;
    let lock = hold(&pool, "select from account_credentials for update").await?;
    let link = async {
        until(&pool, FOR_TOKENS, 1).await?;
        Browser::new()?.follow(&url).await
    };
    let release = async {
        until(&pool, FOR_TOKENS, 2).await?;
        lock.rollback().await?;
        anyhow::Ok(())
    };
    let (gone, linked, released) = tokio::join!(app.home.admin.delete(&path), link, release);
    released?;
    gone?.okay()?;
    let page = linked?;
    assert!(page.status == 404 && page.text.contains("account_not_found"), "{page:?}");
    let account = app.home.api.get(&path).await?.okay()?;
    assert_eq!(account.pointer("/result/status"), Some(&json!("disconnected")));
    let left: i64 =
        sqlx::query_scalar("select count(*) from account_credentials").fetch_one(&pool).await?;
    assert_eq!(left, 0, "no tokens of a disconnected account are kept");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_provider_app_that_is_removed_during_a_link_stays_for_it(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    let apps = app.home.admin.get("provider-apps").await?.okay()?;
    let id = apps.pointer("/result/0/id").and_then(Value::as_str).context("no app")?;
    let path = format!("provider-apps/{id}");
    let url = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    let lock = hold(&pool, "lock table integrated_accounts in share mode").await?;
    let remove = async {
        until(&pool, FOR_ACCOUNT, 1).await?;
        app.home.admin.delete(&path).await
    };
    let release = async {
        until(&pool, FOR_LINK_TOKENS, 1).await?;
        lock.rollback().await?;
        anyhow::Ok(())
    };
    let mut browser = Browser::new()?;
    let (linked, removed, released) = tokio::join!(browser.follow(&url), remove, release);
    released?;
    let page = linked?;
    assert_eq!(page.status, 200, "{}", page.text);
    removed?.problem(409, "provider_app_in_use");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_browser_that_hangs_up_while_the_code_is_exchanged_takes_no_grant_with_it(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    let url = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    let mut browser = Browser::new()?;
    let consent = browser.leave(&url).await?;
    let back = browser.decide(&consent, "decision=approve&install=org").await?;
    let fault = Fault::next(TOKENS, FaultKind::Latency, 1);
    app.sandbox.add_fault(Fault { seconds: Some(0.3), ..fault });
    let is_asked = async {
        while app.calls(TOKENS) == 0 {
            tokio::time::sleep(GLANCE).await;
        }
    };
    tokio::select! {
        page = browser.get(&back) => anyhow::bail!("it was not held: {page:?}"),
        () = is_asked => drop(browser),
    }
    until(&pool, "select count(*) from integrated_accounts where status = 'active'", 1).await?;
    let token = url.path_segments().and_then(Iterator::last).context("no token")?;
    let status = app.nobody()?.get(&format!("link/{token}/status")).await?.okay()?;
    assert_eq!(status["status"], "linked", "{status}");
    Ok(())
}

/// A notice of the end of an account's grant, as Slack sends it; how it was answered.
async fn notice(app: &TestApp, account: &Value, at: i64) -> anyhow::Result<u16> {
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
        .nobody()?
        .with("x-slack-request-timestamp", &now)?
        .with("x-slack-signature", &signature)?;
    let body = Some(("application/json", body.as_str()));
    Ok(slack.send(http::Method::POST, "events/slack", body).await?.status)
}

/// How many sessions wait for a lock of another one.
const WAITING: &str = "select count(*) from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'";

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_revocation_notice_spares_the_grant_of_a_link_under_way(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    let id = app.link("acme").await?;
    let path = format!("integrated-accounts/{id}");
    let account = app.home.api.get(&path).await?.okay()?["result"].clone();
    let revoked_at = app.clock.now().unix_timestamp();
    app.clock.advance(time::Duration::seconds(30));
    let wish = json!({"tenant_id": "acme", "integrated_account_id": id});
    let url = link_url(&app.home, &wish).await?;
    // The link has changed the account, and waits with its end.
    let lock = hold(&pool, "lock table audit_log in exclusive mode").await?;
    let link = async { Browser::new()?.follow(&url).await };
    let told = async {
        until(&pool, WAITING, 1).await?;
        notice(&app, &account, revoked_at).await
    };
    let release = async {
        until(&pool, WAITING, 2).await?;
        lock.rollback().await?;
        anyhow::Ok(())
    };
    let (link, told, released) = tokio::join!(link, told, release);
    released?;
    assert_eq!((link?.status, told?), (200, 200));
    let now = app.home.api.get(&path).await?.okay()?;
    assert_eq!(now.pointer("/result/status"), Some(&json!("active")));
    // One about the new grant counts.
    app.clock.advance(time::Duration::seconds(30));
    assert_eq!(notice(&app, &account, app.clock.now().unix_timestamp()).await?, 200);
    let now = app.home.api.get(&path).await?.okay()?;
    assert_eq!(now.pointer("/result/status"), Some(&json!("needs_reauth")));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_token_made_during_a_disconnect_does_not_outlive_it(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    let id = app.link("acme").await?;
    let (path, tokens) =
        (format!("integrated-accounts/{id}"), format!("integrated-accounts/{id}/tokens"));
    // Of such an account no token is given back first.
    sqlx::query("update integrated_accounts set status = 'needs_reauth'").execute(&pool).await?;
    // The disconnect has changed the account, and waits with its end.
    let lock = hold(&pool, "lock table audit_log in exclusive mode").await?;
    let forced = format!("{path}?force=true");
    let gone = app.home.admin.delete(&forced);
    let body = json!({});
    let made = async {
        until(
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
        until(&pool, WAITING, 2).await?;
        lock.rollback().await?;
        anyhow::Ok(())
    };
    let (gone, made, released) = tokio::join!(gone, made, release);
    released?;
    gone?.okay()?;
    made?.problem(409, "account_disconnected");
    let left: i64 =
        sqlx::query_scalar("select count(*) from account_tokens").fetch_one(&pool).await?;
    assert_eq!(left, 0);
    app.home.api.post(&tokens, &body).await?.problem(409, "account_disconnected");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_caller_is_not_given_the_refused_pair_by_the_refresh_of_an_older_one(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    let id = app.link("acme").await?.parse()?;
    let (tokens, store) = (&app.state.tokens, &app.state.store);
    let account = store.tenant(app.home.environment_id).account(id).await?.context("none")?;
    let until_then = tokio::time::Instant::now() + LONGEST;
    // Another gateway renews the first pair, and the second one is refused.
    let lock = hold(&pool, "update account_credentials set generation = 2").await?;
    let first = tokens.newer_than(&account, 1, "token_expired", until_then);
    let second = async {
        until(&pool, FOR_TOKENS, 1).await?;
        let second = tokens.newer_than(&account, 2, "token_expired", until_then);
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

/// How many wait to claim an idempotency key.
const FOR_CLAIM: &str = "select count(*) from pg_stat_activity where datname = current_database()
    and wait_event_type = 'Lock' and query ilike 'insert into idempotency_keys%'";

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_caller_who_hangs_up_during_the_claim_leaves_no_key_without_a_request(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    let api = app.linked().await?.with("idempotency-key", "once")?;
    let body = json!({"name": "Claimed Once"});
    let lock = hold(&pool, "lock table idempotency_keys in exclusive mode").await?;
    tokio::select! {
        answer = api.post("groups", &body) => anyhow::bail!("answered too soon: {answer:?}"),
        waits = until(&pool, FOR_CLAIM, 1) => waits?,
    }
    // The caller is gone; the claim goes on.
    lock.rollback().await?;
    until(&pool, "select count(*) from idempotency_keys where finished_at is not null", 1).await?;
    let again = api.post("groups", &body).await?;
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"));
    assert_eq!(app.calls("scim.groups.create"), 1);
    Ok(())
}
