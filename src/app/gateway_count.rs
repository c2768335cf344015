//! The task that counts the gateways, which share the rates while Redis is unavailable.

use std::convert::Infallible;

use crate::limit::{HEARTBEAT_INTERVAL, RedisBackend};
use crate::store::Store;

/// Sends heartbeats and counts the gateways, in the database and in Redis. `least` is the minimum count.
pub(super) async fn count_gateways(
    redis: RedisBackend,
    store: Store,
    name: String,
    min_count: u32,
) -> Infallible {
    redis.set_min_processes(min_count);
    loop {
        match store.register_gateway(&name).await {
            Ok(count) => redis.set_min_processes(count.max(min_count)),
            // The last count holds.
            Err(error) => tracing::debug!(%error, "the gateways could not be counted"),
        }
        redis.heartbeat().await;
        tokio::time::sleep(HEARTBEAT_INTERVAL).await;
    }
}
