//! Creates the starter policies of an environment.

use super::{AdminError, Administrator};
use crate::domain::policy::Policy;
use crate::policies::starter_policies;

impl Administrator<'_> {
    /// Creates the starter policies that do not exist by name, and returns them.
    ///
    /// # Errors
    ///
    /// `QuotaExceeded` if the maximum is reached, or when the database fails.
    pub async fn create_starter_policies(&self) -> Result<Vec<Policy>, AdminError> {
        let existing = self.db.policies(None, None, i64::MAX).await?;
        let mut policies = starter_policies(self.clock, self.entropy, self.clock.now());
        policies.retain(|policy| existing.iter().all(|other| other.name != policy.name));
        let subjects: Vec<String> = policies.iter().map(|policy| policy.id.text()).collect();
        let entries: Vec<_> = subjects
            .iter()
            .map(|subject| self.entry("policy.created", (None, Some(subject))))
            .collect();
        self.db.insert_policies(&policies, &entries).await?;
        Ok(policies)
    }
}
