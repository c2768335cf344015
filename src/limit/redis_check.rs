//! Checks the configured Redis server, for `switchboard doctor`.

use std::time::Duration;

use redis::RedisError;
use tokio::time::Instant;

use super::redis_connection::InvalidRedisUrl;
use super::redis_connection::RedisConnector;
use super::redis_script::BucketScript;
use super::{BucketKey, Cost, Priority, Rate};

/// The timeout of each step.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);
/// The number of organizations to try: their keys are on different nodes of a cluster.
const CHECKED_ORGANIZATIONS: u32 = 16;

/// The properties of a Redis server.
#[derive(Debug)]
pub struct RedisInfo {
    /// Its version, such as 7.2.4; empty when it is not reported.
    pub version: String,
    /// The round-trip time of a script.
    pub round_trip: Duration,
    /// Whether it is a cluster.
    pub is_cluster: bool,
}

/// A failed check of Redis.
#[derive(Debug, thiserror::Error)]
pub enum RedisCheckError {
    /// The URL is invalid.
    #[error(transparent)]
    InvalidUrl(#[from] InvalidRedisUrl),
    /// A command failed. The text holds the kind of failure only, because Redis' own may repeat the URL.
    #[error("{0}")]
    Failed(String),
}

impl From<RedisError> for RedisCheckError {
    fn from(error: RedisError) -> Self {
        let kind = error.category().to_owned();
        Self::Failed(error.code().map_or(kind.clone(), |code| format!("{kind} ({code})")))
    }
}

/// Connects as a gateway does, runs its script with keys of the same form, and returns the server's properties.
/// Leaves nothing in Redis.
///
/// # Errors
///
/// When the URL is invalid, the server can't be reached, or it rejects the script for some of the keys.
pub async fn check_redis(url: &str) -> Result<RedisInfo, RedisCheckError> {
    let redis = RedisConnector::new(url, CHECK_TIMEOUT)?;
    let mut connection = redis.connect().await?;
    let script = BucketScript::new();
    let count = script.count("switchboard:limit:doctor", Duration::from_millis(1), "doctor");
    let _: Vec<u32> = match connection.invoke(&count).await {
        // `INFO` may be denied; the redirection shows that it is a cluster.
        Err(error) if error.is_cluster_error() => {
            redis.note_error(&error);
            connection = redis.connect().await?;
            connection.invoke(&count).await?
        }
        counted => counted?,
    };
    let mut round_trip = Duration::ZERO;
    for number in 0..CHECKED_ORGANIZATIONS {
        let key = BucketKey {
            app: None,
            organization: format!("doctor-{number}").into(),
            bucket: "doctor".into(),
        };
        let cost = Cost::new([(key, Rate { per_minute: 60.0, burst: 1 })]);
        // A pause of zero leaves nothing in Redis.
        let call = script.call("block", Duration::ZERO, &cost, Priority::Interactive, &[]);
        let began = Instant::now();
        let _: Vec<i64> = connection.invoke(&call).await?;
        round_trip = began.elapsed();
    }
    let info = redis.info().await?;
    let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
    let version = version.unwrap_or_default().trim().to_owned();
    Ok(RedisInfo { version, round_trip, is_cluster: connection.is_cluster() })
}
