//! Reads the feed for deliveries: the events of a span that a webhook receives.

use time::OffsetDateTime;

use super::super::events::{RETENTION, within_page};
use super::super::{StoreError, TenantDb};
use crate::domain::event::Event;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::webhook::EventTypePattern;

/// A span of the feed, and which of its events a webhook receives.
#[derive(Debug, Clone)]
pub struct EventSpan {
    /// The position before the first event.
    pub after: i64,
    /// The position of the last event.
    pub until: i64,
    /// The types of events that the webhook receives.
    pub event_types: Vec<EventTypePattern>,
    /// The types that are wanted of them.
    pub wanted_types: Vec<EventTypePattern>,
    /// The account; `None` for all.
    pub account_id: Option<IntegratedAccountId>,
}

impl TenantDb {
    /// Returns up to `limit` events of a span that are listed at `now`, each with its position, oldest first; and whether
    /// there may be more, because there are so many or they are large.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn events_in(
        &self,
        span: &EventSpan,
        limit: usize,
        now: OffsetDateTime,
    ) -> Result<(Vec<(i64, Event)>, bool), StoreError> {
        let rows = sqlx::query!(
            r#"SELECT position, COALESCE(octet_length(object::text), 0)
                          + COALESCE(octet_length(previous::text), 0) AS "bytes!"
               FROM events
               WHERE environment_id = $1 AND position > $2 AND position <= $3 AND at > $4
                 AND type LIKE ANY ($5::text[]) AND type LIKE ANY ($8::text[])
                 AND ($6::text IS NULL OR integrated_account_id = $6)
               ORDER BY position LIMIT $7"#,
            self.environment_id as EnvironmentId,
            span.after,
            span.until,
            now - RETENTION,
            &like_patterns(&span.event_types),
            span.account_id as Option<IntegratedAccountId>,
            i64::try_from(limit).unwrap_or(i64::MAX),
            &like_patterns(&span.wanted_types),
        )
        .fetch_all(&self.pool)
        .await?;
        let count = rows.len();
        let positions = within_page(rows.into_iter().map(|row| (row.position, row.bytes)));
        let has_more = count >= limit || positions.len() < count;
        Ok((self.events_at(&positions).await?, has_more))
    }
}

/// Returns patterns of types for `LIKE`. So types match that only a later version knows: its processes may append to
/// the same feed.
pub(super) fn like_patterns(patterns: &[EventTypePattern]) -> Vec<String> {
    patterns.iter().map(|one| one.as_str().replace('_', r"\_").replace('*', "%")).collect()
}
