//! The task that deletes rows whose retention is over.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::clock::Clock;
use crate::store::Store;

/// The delay of the first purge, so that it does not slow the start.
const FIRST_DELAY: Duration = Duration::from_mins(5);
/// The pause between two purges.
const PURGE_INTERVAL: Duration = Duration::from_hours(1);

/// Purges at an interval. One gateway at a time does it.
pub(super) async fn purge(store: Store, clock: Arc<dyn Clock>, retention: Duration) -> Infallible {
    let retention = time::Duration::try_from(retention).unwrap_or(time::Duration::MAX);
    tokio::time::sleep(FIRST_DELAY).await;
    loop {
        match store.purge_expired(clock.now(), retention).await {
            Ok(0) => {}
            Ok(deleted) => tracing::info!(deleted, "deleted rows after their retention"),
            Err(error) => tracing::warn!(%error, "rows after their retention could not be deleted"),
        }
        tokio::time::sleep(PURGE_INTERVAL).await;
    }
}
