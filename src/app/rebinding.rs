//! The task that seals token pairs of an older version for their destinations.

use std::convert::Infallible;
use std::time::Duration;

use crate::store::Store;
use crate::vault::Vault;

/// The pause between two runs: during an upgrade, gateways of the older version write more of them.
const RUN_INTERVAL: Duration = Duration::from_hours(1);

/// Seals the pairs at the start and then at an interval.
pub(super) async fn seal_old_pairs(vault: Vault, store: Store) -> Infallible {
    loop {
        match vault.bind_destinations(&store).await {
            Ok(0) => {}
            Ok(bound) => {
                tracing::info!(bound, "sealed tokens for the destinations of their accounts");
            }
            Err(error) => {
                tracing::warn!(%error, "tokens of an older version could not be sealed for their destinations");
            }
        }
        tokio::time::sleep(RUN_INTERVAL).await;
    }
}
