//! Replays: spans of the feed that a webhook receives once more.

use time::OffsetDateTime;

use super::super::StoreError;
use super::super::audit::{self, AuditEntry};
use super::super::events::RETENTION;
use super::feed::like_patterns;
use super::settings::{WebhookLock, texts};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, ReplayId, WebhookId};
use crate::domain::webhook::EventTypePattern;

/// Maximum number of replays of a webhook that have not ended.
pub const MAX_REPLAYS: i64 = 10;

/// A requested replay.
#[derive(Debug, Clone, Copy)]
pub struct NewReplay<'a> {
    /// Its id.
    pub id: ReplayId,
    /// The time of the first event.
    pub from: OffsetDateTime,
    /// The time of the last event; `None` for all events until now.
    pub to: Option<OffsetDateTime>,
    /// The types of events, among those that the webhook receives.
    pub event_types: &'a [EventTypePattern],
}

/// Why a span can't be replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotReplayable {
    /// It begins before the stored events.
    Expired {
        /// The time from which on events are stored.
        oldest: OffsetDateTime,
    },
    /// [`MAX_REPLAYS`] replays have not ended.
    TooMany,
}

impl WebhookLock {
    /// Adds a replay to the queue and returns the number of its events, without those that the webhook has yet to
    /// receive. A replay without events has ended already.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn request_replay(
        mut self,
        new: &NewReplay<'_>,
        now: OffsetDateTime,
        audit: &AuditEntry<'_>,
    ) -> Result<Result<i64, NotReplayable>, StoreError> {
        let oldest = now - RETENTION;
        if new.from < oldest {
            return Ok(Err(NotReplayable::Expired { oldest }));
        }
        let queued = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM webhook_replays
               WHERE environment_id = $1 AND webhook_id = $2"#,
            self.environment_id as EnvironmentId,
            self.webhook.id as WebhookId,
        )
        .fetch_one(&mut *self.tx)
        .await?;
        if queued >= MAX_REPLAYS {
            return Ok(Err(NotReplayable::TooMany));
        }
        let count = self.insert_replay(new, now).await?;
        audit::append(&mut *self.tx, self.environment_id, audit).await?;
        self.tx.commit().await?;
        Ok(Ok(count))
    }

    async fn insert_replay(
        &mut self,
        new: &NewReplay<'_>,
        now: OffsetDateTime,
    ) -> Result<i64, StoreError> {
        let (types, requested) =
            (like_patterns(&self.webhook.event_types), like_patterns(new.event_types));
        // Times do not always grow with the positions: the span has the events between the first and the last. It ends
        // where the webhook is: the events after that are delivered anyway.
        let span = sqlx::query!(
            r#"WITH span AS (
                   SELECT min(e.position) - 1 AS low, max(e.position) AS high
                   FROM webhooks w JOIN events e
                       ON e.environment_id = w.environment_id AND e.position <= w.last_position
                   WHERE w.environment_id = $1 AND w.webhook_id = $7
                     AND e.at >= $2 AND ($3::timestamptz IS NULL OR e.at <= $3)
               )
               SELECT span.low, span.high,
                      (SELECT count(*) FROM events e
                       WHERE e.environment_id = $1 AND e.position > span.low AND e.position <= span.high
                         AND e.type LIKE ANY ($4::text[]) AND e.type LIKE ANY ($6::text[])
                         AND ($5::text IS NULL OR e.integrated_account_id = $5)
                      ) AS "events!"
               FROM span"#,
            self.environment_id as EnvironmentId,
            new.from,
            new.to,
            &types,
            self.webhook.integrated_account_id as Option<IntegratedAccountId>,
            &requested,
            self.webhook.id as WebhookId,
        )
        .fetch_one(&mut *self.tx)
        .await?;
        let (Some(low), Some(high), 1..) = (span.low, span.high, span.events) else {
            return Ok(0);
        };
        sqlx::query!(
            "INSERT INTO webhook_replays (environment_id, webhook_id, replay_id, event_types, last_position,
                 until_position, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            self.environment_id as EnvironmentId,
            self.webhook.id as WebhookId,
            new.id as ReplayId,
            &texts(new.event_types),
            low,
            high,
            now,
        )
        .execute(&mut *self.tx)
        .await?;
        Ok(span.events)
    }
}
