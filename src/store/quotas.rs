//! Quotas of rows. Near the limit a row is counted in the transaction that adds it, one after the other in an environment,
//! so that no race exceeds it. Whoever waits for that has no connection yet: one environment's requests must not hold those
//! of all. Far from a large limit an estimate is enough. Stored responses are measured now and then.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::HashMap;
use time::OffsetDateTime;
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use super::connections::Connection;
use super::{StoreError, TenantDb};
use crate::domain::ids::EnvironmentId;
use crate::domain::quota::{Quota, QuotaLimits};

/// How old a measurement of stored responses may be. What this gateway stores meanwhile is added to it.
const MEASURED_FOR: Duration = Duration::from_secs(10);
/// How old an estimate of rows may be. What this gateway adds meanwhile is added to it.
const ESTIMATED_FOR: Duration = Duration::from_mins(1);
/// Up to this limit, rows are always counted.
const COUNTED_UP_TO: i64 = 1_000;

/// The quotas, and what is known of how far they are used.
#[derive(Debug)]
pub(super) struct Quotas {
    limits: QuotaLimits,
    stored: Mutex<HashMap<EnvironmentId, Stored>>,
    used: Mutex<HashMap<(EnvironmentId, Quota), Used>>,
}

/// The stored responses of an environment.
#[derive(Debug, Clone, Copy)]
struct Stored {
    measured_at: Instant,
    rows: i64,
    bytes: i64,
}

/// The rows of an environment.
#[derive(Debug, Default)]
struct Used {
    /// Whoever counts.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// When they were counted, and how many there are since, as far as this gateway knows.
    counted: Option<(Instant, i64)>,
}

/// The right to add one row, if there is room for it. Others that add such rows may wait until it is dropped.
#[derive(Debug)]
#[must_use]
pub(super) struct Reservation<'a> {
    quotas: &'a Quotas,
    quota: Quota,
    owner: EnvironmentId,
    /// The limit, and the turn to count; nothing when there is surely room.
    to_count: Option<(i64, OwnedMutexGuard<()>)>,
}

impl Quotas {
    /// These limits.
    pub(super) fn new(limits: QuotaLimits) -> Self {
        Self { limits, stored: Mutex::default(), used: Mutex::default() }
    }

    fn stored(&self) -> MutexGuard<'_, HashMap<EnvironmentId, Stored>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn used(&self) -> MutexGuard<'_, HashMap<(EnvironmentId, Quota), Used>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the turn to add a row, which is needed before a connection is taken for it.
    pub(super) async fn reserve(&self, quota: Quota, owner: EnvironmentId) -> Reservation<'_> {
        let most = self.limits.of(quota);
        let turn = most.and_then(|most| Some((most, self.turn_near_limit(quota, owner, most)?)));
        let to_count = match turn {
            Some((most, turn)) => Some((most, turn.lock_owned().await)),
            None => None,
        };
        Reservation { quotas: self, quota, owner, to_count }
    }

    /// The turn to count, unless there is surely room for a row: then it is added to the estimate.
    fn turn_near_limit(
        &self,
        quota: Quota,
        owner: EnvironmentId,
        most: i64,
    ) -> Option<Arc<tokio::sync::Mutex<()>>> {
        let mut all = self.used();
        let used = all.entry((owner, quota)).or_default();
        if let Some((at, rows)) = &mut used.counted
            && most > COUNTED_UP_TO
            && at.elapsed() < ESTIMATED_FOR
            && *rows < most - most / 10
        {
            *rows += 1;
            return None;
        }
        Some(Arc::clone(&used.turn))
    }
}

impl Reservation<'_> {
    /// Refuses the row when there are as many as the environment may have. Until the transaction ends, other gateways wait
    /// that add such a row there.
    pub(super) async fn admit(&self, connection: &mut Connection) -> Result<(), StoreError> {
        let Self { quotas, quota, owner, .. } = *self;
        let Some((most, _)) = self.to_count else { return Ok(()) };
        let lock = format!("quota {} {owner}", quota.name());
        sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", lock)
            .execute(&mut *connection)
            .await?;
        let rows = count(connection, quota, owner, most).await?;
        if rows >= most {
            return Err(StoreError::QuotaExceeded { quota, most });
        }
        let counted = Some((Instant::now(), rows + 1));
        quotas.used().entry((owner, quota)).or_default().counted = counted;
        Ok(())
    }
}

/// Counts the rows of an environment, up to `most`.
async fn count(
    connection: &mut Connection,
    quota: Quota,
    owner: EnvironmentId,
    most: i64,
) -> Result<i64, StoreError> {
    macro_rules! count {
        ($from:literal) => {
            sqlx::query_scalar!(
                r#"SELECT count(*) AS "count!" FROM (SELECT FROM "#
                    + $from
                    + " LIMIT $2) AS counted",
                owner as EnvironmentId,
                most,
            )
            .fetch_one(connection)
            .await?
        };
    }
    Ok(match quota {
        Quota::Environments => count!("environments WHERE root_environment_id = $1"),
        Quota::ProviderApps => count!("provider_apps WHERE environment_id = $1"),
        Quota::IntegratedAccounts => count!("integrated_accounts WHERE environment_id = $1"),
        Quota::AccountTokens => count!("account_tokens WHERE environment_id = $1"),
        Quota::LinkTokens => count!("link_tokens WHERE environment_id = $1"),
        Quota::ApiKeys => count!("api_keys WHERE environment_id = $1"),
        Quota::Mappings => count!("mappings WHERE environment_id = $1"),
        // These are measured.
        Quota::StoredResponses | Quota::StoredResponseBytes => 0,
    })
}

impl TenantDb {
    /// Refuses one more stored response than the environment may have.
    pub(super) async fn admit_stored_response(
        &self,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let limits = [Quota::StoredResponses, Quota::StoredResponseBytes]
            .map(|quota| (quota, self.quotas.limits.of(quota).unwrap_or(i64::MAX)));
        if limits.iter().all(|(_, most)| *most == i64::MAX) {
            return Ok(());
        }
        let known = self.quotas.stored().get(&self.environment_id).copied();
        let stored = match known.filter(|known| known.measured_at.elapsed() < MEASURED_FOR) {
            Some(known) => known,
            None => self.measure_stored_responses(now).await?,
        };
        for ((quota, most), used) in limits.into_iter().zip([stored.rows, stored.bytes]) {
            if used >= most {
                return Err(StoreError::QuotaExceeded { quota, most });
            }
        }
        Ok(())
    }

    /// Notes what was stored since the last measurement.
    pub(super) fn note_stored_response(&self, rows: i64, bytes: usize) {
        if let Some(stored) = self.quotas.stored().get_mut(&self.environment_id) {
            stored.rows = stored.rows.saturating_add(rows);
            stored.bytes = stored.bytes.saturating_add(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }

    async fn measure_stored_responses(&self, now: OffsetDateTime) -> Result<Stored, StoreError> {
        let measured_at = Instant::now();
        let row = sqlx::query!(
            r#"SELECT count(*) AS "rows!", coalesce(sum(octet_length(body)), 0)::bigint AS "bytes!"
               FROM idempotency_keys WHERE environment_id = $1 AND expires_at > $2"#,
            self.environment_id as EnvironmentId,
            now,
        )
        .fetch_one(&self.pool)
        .await?;
        let stored = Stored { measured_at, rows: row.rows, bytes: row.bytes };
        self.quotas.stored().insert(self.environment_id, stored);
        Ok(stored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::SystemClock;
    use crate::domain::entropy::SeededEntropy;

    #[tokio::test(start_paused = true)]
    async fn rows_are_counted_near_the_limit_and_now_and_then() {
        let quotas = Quotas::new(QuotaLimits::new(|_| 10_000));
        let owner = EnvironmentId::generate(&SystemClock, &SeededEntropy::new(1));
        let must_count = || quotas.turn_near_limit(Quota::ApiKeys, owner, 10_000).is_some();
        assert!(must_count(), "nothing is known");
        let counted = |rows| {
            let mut used = quotas.used();
            used.entry((owner, Quota::ApiKeys)).or_default().counted = Some((Instant::now(), rows));
        };
        counted(8_998);
        assert!(!must_count() && !must_count());
        assert!(must_count(), "what was added since counts");
        counted(0);
        assert!(!must_count());
        tokio::time::advance(ESTIMATED_FOR).await;
        assert!(must_count(), "the estimate is old");
        counted(0);
        assert!(quotas.turn_near_limit(Quota::ApiKeys, owner, COUNTED_UP_TO).is_some());
    }
}
