//! Failures of links: noted for whoever opened the page, and in the audit log. A customer can fail as often as it likes
//! with one link token, so only the first failures have rows there, and then ever fewer.

use super::audit::{self, AuditEntry};
use super::{StoreError, TenantDb};
use crate::domain::audit::Outcome;
use crate::domain::ids::{EnvironmentId, LinkTokenId};

/// So many failures of a link token are written down one by one; beyond these, each one whose number is a power of two.
const EACH: u32 = 8;

impl TenantDb {
    /// Notes why a try to link failed. `entry` is its row of the audit log, without what it is about.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn fail_link(
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
        if failures.is_some_and(is_written_down) {
            let subject = id.to_string();
            let entry = AuditEntry { subject: Some(&subject), outcome: Outcome::Failed, ..entry };
            let environment_id = self.environment_id;
            audit::append_with_reason(&mut *tx, environment_id, &entry, Some(failure)).await?;
        }
        Ok(tx.commit().await?)
    }
}

fn is_written_down(number: i32) -> bool {
    u32::try_from(number).is_ok_and(|number| number <= EACH || number.is_power_of_two())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ever_fewer_failures_are_written_down() {
        let written = (1..=1_000_000).filter(|number| is_written_down(*number)).count();
        assert!(written < 30, "{written}");
    }
}
