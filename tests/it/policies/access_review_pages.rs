//! An access review of several pages: one state, whatever is written in the meantime, and no end that looks complete
//! after a failure.

use std::collections::BTreeSet;

use anyhow::Context as _;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::account::IntegratedAccount;
use switchboard::domain::policy::AccessFilter;
use switchboard::policies::AccessReview;
use switchboard::store::TenantDb;
use switchboard::sync::{CopyError, SyncedCopy};

use crate::sync::SyncedApp;

/// Number of people who are added to the copy. With the others they are three pages.
const ADDED: usize = 2_500;
/// The last one of them.
const LAST: &str = "X002500";

/// An account with a copy of more people than its directory has.
struct LargeCopy {
    synced: SyncedApp,
    db: TenantDb,
}

impl LargeCopy {
    async fn new(pool: PgPool) -> anyhow::Result<Self> {
        let synced = SyncedApp::new(pool, json!({})).await?;
        synced.synced().await?;
        sqlx::query(
            "INSERT INTO directory_users (environment_id, integrated_account_id, kind, object_id, valid_from, read_at,
                 hash, user_id, status, user_type, body)
             SELECT environment_id, integrated_account_id, 'user', id, last_change_at, last_change_at, '\\x00', id,
                 'active', 'member', json_build_object('id', id, 'name', 'Person ' || id, 'emails', '[]'::json,
                     'status', 'active', 'user_type', 'member')
             FROM account_feeds, generate_series(1, $2) AS series (n), LATERAL (
                 SELECT 'X' || lpad(n::text, 6, '0') AS id) person
             WHERE integrated_account_id = $1",
        )
        .bind(&synced.account)
        .bind(i32::try_from(ADDED)?)
        .execute(&synced.app.pool)
        .await?;
        let db = synced.app.state.store.tenant(synced.app.home.environment_id);
        Ok(Self { synced, db })
    }

    async fn account(&self) -> anyhow::Result<IntegratedAccount> {
        let account = self.db.cached_account(self.synced.account.parse()?).await?;
        Ok((*account.context("no account")?).clone())
    }

    fn copy<'a>(&'a self, account: &'a IntegratedAccount) -> SyncedCopy<'a> {
        let state = &self.synced.app.state;
        SyncedCopy {
            db: &self.db,
            account,
            signer: &state.cursors,
            mappings: &[],
            expressions: &state.expressions,
            now: state.clock.now(),
        }
    }

    async fn begin(&self, account: &IntegratedAccount) -> anyhow::Result<AccessReview> {
        let connector = self.synced.app.state.registry.connector(account.provider);
        let filter = AccessFilter::default();
        Ok(AccessReview::begin(&self.copy(account), connector, filter, None).await?)
    }

    /// Executes a statement about the account and one person.
    async fn execute(&self, sql: &'static str, user: &str) -> anyhow::Result<()> {
        let query = sqlx::query(sql).bind(&self.synced.account).bind(user);
        query.execute(&self.synced.app.pool).await?;
        Ok(())
    }
}

/// Reads a review to its end and returns the ids of all people.
async fn read(review: &mut AccessReview, copy: &SyncedCopy<'_>) -> Result<Vec<String>, CopyError> {
    let mut ids = Vec::new();
    while !review.is_at_end() {
        let people = review.next_page(copy).await?;
        ids.extend(people.into_iter().map(|person| person.id));
    }
    Ok(ids)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn lists_everybody_once_over_several_pages(pool: PgPool) -> anyhow::Result<()> {
    let large = LargeCopy::new(pool).await?;
    let api = &large.synced.api;
    let users = large.synced.all("users?source=synced&limit=1000").await?;
    assert!(users.len() > ADDED + 50);
    let review = api.get("access-review").await?.success()?;
    let rows = review["result"].as_array().context("no rows")?;
    assert_eq!(review["result_count"], rows.len());
    let listed: BTreeSet<&str> = rows.iter().filter_map(|row| row["user_id"].as_str()).collect();
    assert_eq!(listed, users.keys().map(String::as_str).collect());
    let added = |row: &&Value| row["user_id"].as_str().is_some_and(|id| id.starts_with('X'));
    assert_eq!(rows.iter().filter(added).count(), ADDED);
    for format in ["csv", "ndjson"] {
        let text = api.get(&format!("access-review?format={format}")).await?.text;
        assert_eq!(text.lines().count(), rows.len() + usize::from(format == "csv"), "{format}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn all_pages_are_of_one_state(pool: PgPool) -> anyhow::Result<()> {
    let large = LargeCopy::new(pool).await?;
    let account = large.account().await?;
    let mut review = large.begin(&account).await?;
    let first = review.next_page(&large.copy(&account)).await?;
    assert!(!review.is_at_end() && first.iter().all(|person| person.id != LAST));
    let remove = "WITH feed AS (
            UPDATE account_feeds SET last_change_at = last_change_at + interval '1 second'
            WHERE integrated_account_id = $1 RETURNING last_change_at)
        UPDATE directory_users SET valid_to = feed.last_change_at FROM feed
        WHERE integrated_account_id = $1 AND object_id = $2 AND valid_to = 'infinity'";
    large.execute(remove, LAST).await?;
    let rest = read(&mut review, &large.copy(&account)).await?;
    assert_eq!(rest.last().map(String::as_str), Some(LAST));
    let mut later = large.begin(&account).await?;
    let later = read(&mut later, &large.copy(&account)).await?;
    assert_eq!(later.len() + 1, first.len() + rest.len());
    assert!(!later.iter().any(|id| id == LAST));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_copy_that_is_erased_in_the_meantime_is_not_listed_to_its_end(
    pool: PgPool,
) -> anyhow::Result<()> {
    let large = LargeCopy::new(pool).await?;
    let account = large.account().await?;
    let mut review = large.begin(&account).await?;
    review.next_page(&large.copy(&account)).await?;
    // The account is disconnected before its copy is erased.
    let disconnect = "UPDATE integrated_accounts SET status = 'disconnected'
        WHERE integrated_account_id = $1 AND $2::text IS NOT NULL";
    large.execute(disconnect, LAST).await?;
    let erase = "DELETE FROM directory_users WHERE integrated_account_id = $1 AND object_id <= $2";
    large.execute(erase, LAST).await?;
    let rest = read(&mut review, &large.copy(&account)).await;
    assert!(matches!(rest, Err(CopyError::NotSynced(_))), "{rest:?}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_failure_after_the_first_page_aborts_the_response(pool: PgPool) -> anyhow::Result<()> {
    let large = LargeCopy::new(pool).await?;
    let spoil = "UPDATE directory_users SET body = '{}'
        WHERE integrated_account_id = $1 AND object_id = $2";
    large.execute(spoil, LAST).await?;
    for format in ["json", "ndjson", "csv"] {
        let path = format!("access-review?format={format}");
        let mut response = large.synced.api.open(Method::GET, &path, None).await?;
        assert_eq!(response.status().as_u16(), 200);
        let mut received = 0;
        let ended = loop {
            match response.chunk().await {
                Ok(Some(chunk)) => received += chunk.len(),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        assert!(ended.is_err(), "{format}: {received} bytes look like a complete document");
        assert!(received > 1_000, "{format}: {received} bytes");
    }
    // Before the first page is complete, the failure is an ordinary problem.
    large.execute(spoil, "X000001").await?;
    large.synced.api.get("access-review").await?.problem(500, "internal");
    Ok(())
}
