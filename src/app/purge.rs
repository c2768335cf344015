//! The task that deletes rows which ended long ago.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::clock::Clock;
use crate::store::Store;

/// When a gateway purges for the first time: not while it starts.
const FIRST: Duration = Duration::from_mins(5);
/// The pause between two purges.
const EVERY: Duration = Duration::from_hours(1);

/// Purges now and then. Of several gateways one does it at a time.
pub(super) async fn purge(store: Store, clock: Arc<dyn Clock>, retention: Duration) -> Infallible {
    let retention = time::Duration::try_from(retention).unwrap_or(time::Duration::MAX);
    tokio::time::sleep(FIRST).await;
    loop {
        match store.purge_ended(clock.now(), retention).await {
            Ok(0) => {}
            Ok(deleted) => tracing::info!(deleted, "deleted rows that ended long ago"),
            Err(error) => tracing::warn!(%error, "rows that ended long ago could not be deleted"),
        }
        tokio::time::sleep(EVERY).await;
    }
}
