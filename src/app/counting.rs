//! The timer that counts the gateways among which the rates are shared while Redis is unavailable.

use std::convert::Infallible;

use crate::limit::{COUNT_EVERY, Shared};
use crate::store::Store;

/// Counts now and then, in the database and in Redis, whether there are calls or not. There are `least` of them,
/// whatever is counted.
pub(super) async fn count(shared: Shared, store: Store, name: String, least: u32) -> Infallible {
    shared.set_floor(least);
    loop {
        match store.count_gateways(&name).await {
            Ok(count) => shared.set_floor(count.max(least)),
            // The last count holds.
            Err(error) => tracing::debug!(%error, "the gateways could not be counted"),
        }
        shared.tick().await;
        tokio::time::sleep(COUNT_EVERY).await;
    }
}
