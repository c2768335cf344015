//! Quotas of rows. Near the limit, rows are counted in the transaction that inserts one, one after the other per
//! environment, so that no race exceeds the limit. The wait for that happens before a connection is acquired: one
//! environment's requests must not hold the connections of all. Far below a large limit an estimate suffices. Stored
//! responses are measured periodically.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::HashMap;
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use super::StoreError;
use super::connections::TimedConnection;
use crate::domain::ids::EnvironmentId;
use crate::domain::quota::{QuotaKind, QuotaLimits};

/// Maximum age of a measurement of stored responses. Responses stored by this gateway meanwhile are added to it.
pub(super) const MEASUREMENT_TTL: Duration = Duration::from_secs(10);
/// Maximum age of an estimate of rows. Rows inserted by this gateway meanwhile are added to it.
const ESTIMATE_TTL: Duration = Duration::from_mins(1);
/// Limits up to this one are always checked by counting.
const ALWAYS_COUNTED_UP_TO: i64 = 1_000;

/// The quotas and their known usage.
#[derive(Debug)]
pub(super) struct QuotaUsage {
    pub(super) limits: QuotaLimits,
    stored: Mutex<HashMap<EnvironmentId, StoredResponseUsage>>,
    used: Mutex<HashMap<(EnvironmentId, QuotaKind), RowUsage>>,
}

/// Stored responses of an environment.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoredResponseUsage {
    pub(super) measured_at: Instant,
    pub(super) rows: i64,
    pub(super) bytes: i64,
}

/// Rows of one kind of an environment.
#[derive(Debug, Default)]
struct RowUsage {
    /// Held by the request that counts.
    count_lock: Arc<tokio::sync::Mutex<()>>,
    /// When the rows were counted, and their number with those inserted by this gateway since.
    counted: Option<(Instant, i64)>,
}

/// Permission to insert one row if the quota allows it. Other such insertions may wait until it is dropped.
#[derive(Debug)]
#[must_use]
pub(super) struct Reservation<'a> {
    quotas: &'a QuotaUsage,
    quota: QuotaKind,
    owner: EnvironmentId,
    /// The limit and the lock for counting; `None` if the limit is certainly not reached.
    counting: Option<(i64, OwnedMutexGuard<()>)>,
}

impl QuotaUsage {
    /// Creates quotas with these limits.
    pub(super) fn new(limits: QuotaLimits) -> Self {
        Self { limits, stored: Mutex::default(), used: Mutex::default() }
    }

    pub(super) fn stored(&self) -> MutexGuard<'_, HashMap<EnvironmentId, StoredResponseUsage>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn used(&self) -> MutexGuard<'_, HashMap<(EnvironmentId, QuotaKind), RowUsage>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the permission to insert a row; call it before acquiring a connection.
    pub(super) async fn reserve(&self, quota: QuotaKind, owner: EnvironmentId) -> Reservation<'_> {
        let limit = self.limits.of(quota);
        let lock =
            limit.and_then(|limit| Some((limit, self.count_lock_near_limit(quota, owner, limit)?)));
        let to_count = match lock {
            Some((limit, lock)) => Some((limit, lock.lock_owned().await)),
            None => None,
        };
        Reservation { quotas: self, quota, owner, counting: to_count }
    }

    /// Returns the lock for counting, or adds a row to the estimate if the limit is certainly not reached.
    fn count_lock_near_limit(
        &self,
        quota: QuotaKind,
        owner: EnvironmentId,
        limit: i64,
    ) -> Option<Arc<tokio::sync::Mutex<()>>> {
        let mut all = self.used();
        let used = all.entry((owner, quota)).or_default();
        if let Some((at, rows)) = &mut used.counted
            && limit > ALWAYS_COUNTED_UP_TO
            && at.elapsed() < ESTIMATE_TTL
            && *rows < limit - limit / 10
        {
            *rows += 1;
            return None;
        }
        Some(Arc::clone(&used.count_lock))
    }
}

impl Reservation<'_> {
    /// Rejects the row if the quota is reached. Other gateways that insert such a row wait until the transaction ends.
    pub(super) async fn admit(&self, connection: &mut TimedConnection) -> Result<(), StoreError> {
        let Self { quotas, quota, owner, .. } = *self;
        let Some((limit, _)) = self.counting else { return Ok(()) };
        let lock = format!("quota {} {owner}", quota.name());
        sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", lock)
            .execute(&mut *connection)
            .await?;
        let rows = count(connection, quota, owner, limit).await?;
        if rows >= limit {
            return Err(StoreError::QuotaExceeded { quota, limit });
        }
        let counted = Some((Instant::now(), rows + 1));
        quotas.used().entry((owner, quota)).or_default().counted = counted;
        Ok(())
    }
}

/// Counts the rows of an environment, up to the limit.
async fn count(
    connection: &mut TimedConnection,
    quota: QuotaKind,
    owner: EnvironmentId,
    limit: i64,
) -> Result<i64, StoreError> {
    macro_rules! count {
        ($from:literal) => {
            sqlx::query_scalar!(
                r#"SELECT count(*) AS "count!" FROM (SELECT FROM "#
                    + $from
                    + " LIMIT $2) AS counted",
                owner as EnvironmentId,
                limit,
            )
            .fetch_one(connection)
            .await?
        };
    }
    Ok(match quota {
        QuotaKind::Environments => count!("environments WHERE root_environment_id = $1"),
        QuotaKind::ProviderApps => count!("provider_apps WHERE environment_id = $1"),
        QuotaKind::IntegratedAccounts => count!("integrated_accounts WHERE environment_id = $1"),
        QuotaKind::AccountTokens => count!("account_tokens WHERE environment_id = $1"),
        QuotaKind::LinkTokens => count!("link_tokens WHERE environment_id = $1"),
        QuotaKind::ApiKeys => count!("api_keys WHERE environment_id = $1"),
        QuotaKind::Mappings => count!("mappings WHERE environment_id = $1"),
        QuotaKind::Webhooks => count!("webhooks WHERE environment_id = $1"),
        QuotaKind::Policies => count!("policies WHERE environment_id = $1"),
        QuotaKind::RuleSets => count!("rule_sets WHERE environment_id = $1"),
        // These are measured instead.
        QuotaKind::StoredResponses | QuotaKind::StoredResponseBytes => 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::SystemClock;
    use crate::domain::entropy::SeededEntropy;

    #[tokio::test(start_paused = true)]
    async fn counts_rows_near_the_limit_and_after_the_estimate_expires() {
        let quotas = QuotaUsage::new(QuotaLimits::new(|_| 10_000));
        let owner = EnvironmentId::generate(&SystemClock, &SeededEntropy::new(1));
        let must_count =
            || quotas.count_lock_near_limit(QuotaKind::ApiKeys, owner, 10_000).is_some();
        assert!(must_count(), "the usage is unknown");
        let counted = |rows| {
            let mut used = quotas.used();
            used.entry((owner, QuotaKind::ApiKeys)).or_default().counted =
                Some((Instant::now(), rows));
        };
        counted(8_998);
        assert!(!must_count() && !must_count());
        assert!(must_count(), "rows inserted since are added");
        counted(0);
        assert!(!must_count());
        tokio::time::advance(ESTIMATE_TTL).await;
        assert!(must_count(), "the estimate expired");
        counted(0);
        assert!(
            quotas.count_lock_near_limit(QuotaKind::ApiKeys, owner, ALWAYS_COUNTED_UP_TO).is_some()
        );
    }
}
