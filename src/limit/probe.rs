//! A look at Redis, for whoever checks an installation.

use std::time::Duration;

use redis::{AsyncConnectionConfig, Client, RedisError};
use tokio::time::Instant;

use super::shared::UnusableUrl;

/// How long it may take for anything.
const PATIENCE: Duration = Duration::from_secs(5);

/// What Redis says of itself.
#[derive(Debug)]
pub struct RedisFacts {
    /// Its version, such as 7.2.4; empty when it doesn't tell.
    pub version: String,
    /// How long a script takes, there and back.
    pub round_trip: Duration,
}

/// Why Redis is of no use.
#[derive(Debug, thiserror::Error)]
pub enum RedisAway {
    /// Its address is none.
    #[error(transparent)]
    Address(#[from] UnusableUrl),
    /// It can't be asked. Only the kind of failure is told: the words may repeat the address.
    #[error("{0}")]
    Failed(String),
}

impl From<RedisError> for RedisAway {
    fn from(error: RedisError) -> Self {
        let kind = error.category().to_owned();
        Self::Failed(error.code().map_or(kind.clone(), |code| format!("{kind} ({code})")))
    }
}

/// Connects, runs a script, and asks for the version.
///
/// # Errors
///
/// When it can't be reached, or takes no scripts.
pub async fn probe_redis(url: &str) -> Result<RedisFacts, RedisAway> {
    let client = Client::open(url).map_err(|_| UnusableUrl)?;
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE));
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    let began = Instant::now();
    let script = redis::Script::new("return redis.call('TIME')[1]");
    let _: String = script.prepare_invoke().invoke_async(&mut connection).await?;
    let round_trip = began.elapsed();
    let info: Result<String, _> =
        redis::cmd("INFO").arg("server").query_async(&mut connection).await;
    // Not everybody may ask; it is not needed.
    let info = info.unwrap_or_default();
    let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
    Ok(RedisFacts { version: version.unwrap_or_default().trim().to_owned(), round_trip })
}
