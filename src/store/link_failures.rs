//! Failures of links: stored for the link page and, for the first ones, in the audit log. One link token can fail any
//! number of times, so later failures are recorded ever more rarely.

use super::audit::{self, AuditEntry};
use super::{StoreError, TenantDb};
use crate::domain::audit::AuditOutcome;
use crate::domain::ids::{EnvironmentId, LinkTokenId};

/// Number of failures of a link token that are all recorded; later ones only if their number is a power of two.
const ALL_RECORDED_UP_TO: u32 = 8;

impl TenantDb {
    /// Records why an attempt to link failed. `entry` is the audit entry without subject and outcome.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn record_link_failure(
        &self,
        id: LinkTokenId,
        failure: &str,
        entry: AuditEntry<'_>,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        let failures = sqlx::query_scalar!(
            "UPDATE link_tokens SET failure = $3, failures = least(failures, 2000000000) + 1
             WHERE environment_id = $1 AND link_token_id = $2 AND used_at IS NULL RETURNING failures",
            self.environment_id as EnvironmentId,
            id as LinkTokenId,
            failure,
        )
        .fetch_optional(&mut *tx)
        .await?;
        if failures.is_some_and(is_recorded) {
            let subject = id.to_string();
            let entry =
                AuditEntry { subject: Some(&subject), outcome: AuditOutcome::Failed, ..entry };
            let environment_id = self.environment_id;
            audit::append_with_reason(&mut *tx, environment_id, &entry, Some(failure)).await?;
        }
        Ok(tx.commit().await?)
    }
}

fn is_recorded(number: i32) -> bool {
    u32::try_from(number)
        .is_ok_and(|number| number <= ALL_RECORDED_UP_TO || number.is_power_of_two())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_ever_fewer_failures() {
        let written = (1..=1_000_000).filter(|number| is_recorded(*number)).count();
        assert!(written < 30, "{written}");
    }
}
