//! Appends events to the feed in bulk, as the gateway appends those of many changes: in one transaction.

use anyhow::Context as _;
use sqlx::PgConnection;
use switchboard::domain::clock::SystemClock;
use switchboard::domain::entropy::SystemEntropy;
use switchboard::domain::ids::EventId;

use super::fleet::Fleet;

/// The type of the events.
pub(crate) const EVENT_TYPE: &str = "user.updated";

/// Numbers the events behind the last one of the environment and of the account, as `src/store/events.rs` does.
const APPEND: &str = r#"
    WITH place AS (
        UPDATE environments SET last_event = last_event + cardinality($3::text[])
        WHERE environment_id = $1
        RETURNING last_event - cardinality($3::text[]) AS last
    ), feed AS (
        INSERT INTO account_feeds AS feed
            (environment_id, integrated_account_id, last_sequence, last_change_at)
        VALUES ($1, $2, cardinality($3::text[]), now())
        ON CONFLICT (environment_id, integrated_account_id) DO UPDATE
            SET last_sequence = feed.last_sequence + cardinality($3::text[]),
                last_change_at = GREATEST(now(), feed.last_change_at + interval '1 microsecond')
        RETURNING last_sequence - cardinality($3::text[]) AS last, last_change_at
    )
    INSERT INTO events (environment_id, position, event_id, at, type, integrated_account_id, data, sequence, origin,
        object, previous)
    SELECT $1, place.last + event.number, event.id, feed.last_change_at, $4, $2, 'null'::jsonb,
        feed.last + event.number, 'provider_event', $5::json, '{"title": "Intern"}'::json
    FROM place, feed, UNNEST($3::text[]) WITH ORDINALITY AS event (id, number)"#;

/// Appends events about one user of a fleet's account.
#[derive(Debug)]
pub(crate) struct StoredEvents {
    connection: PgConnection,
    environment: String,
    account: String,
    /// A user as JSON.
    object: String,
}

impl StoredEvents {
    /// Opens a connection, and reads a user from the provider.
    pub(crate) async fn new(fleet: &Fleet) -> anyhow::Result<Self> {
        let base = fleet.urls().next().context("no gateway")?;
        let users = fleet.caller.get(&format!("{base}/users?limit=1")).await?;
        let user = users.pointer("/result/0").context("no user")?;
        Ok(Self {
            connection: fleet.deployment().connect().await?,
            environment: fleet.deployment().environment().await?.to_string(),
            account: fleet.account().to_owned(),
            object: user.to_string(),
        })
    }

    /// Returns the size of the user that each event has, in bytes.
    pub(crate) fn object_bytes(&self) -> usize {
        self.object.len()
    }

    /// Appends events in one transaction.
    pub(crate) async fn append(&mut self, count: usize) -> anyhow::Result<()> {
        let (clock, entropy) = (&SystemClock, &SystemEntropy);
        let ids: Vec<String> = std::iter::repeat_with(|| EventId::generate(clock, entropy).text())
            .take(count)
            .collect();
        sqlx::query(APPEND)
            .bind(&self.environment)
            .bind(&self.account)
            .bind(&ids)
            .bind(EVENT_TYPE)
            .bind(&self.object)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    /// Brings the statistics of the tables up to date, as autovacuum does after a while.
    pub(crate) async fn analyze(&mut self) -> anyhow::Result<()> {
        let tables = "VACUUM (ANALYZE) events, webhook_deliveries";
        sqlx::raw_sql(tables).execute(&mut self.connection).await?;
        Ok(())
    }
}
