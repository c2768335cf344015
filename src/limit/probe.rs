//! A look at Redis, for whoever checks an installation.

use std::time::Duration;

use redis::RedisError;
use tokio::time::Instant;

use super::redis::Redis;
use super::redis::UnusableUrl;
use super::script::Budgets;
use super::{Class, LimitKey, Price, Rate};

/// How long it may take for anything.
const PATIENCE: Duration = Duration::from_secs(5);
/// So many organizations are tried: their keys are on different nodes of a cluster.
const ORGANIZATIONS: u32 = 16;

/// What Redis says of itself.
#[derive(Debug)]
pub struct RedisFacts {
    /// Its version, such as 7.2.4; empty when it doesn't tell.
    pub version: String,
    /// How long a script takes, there and back.
    pub round_trip: Duration,
    /// Whether it is a cluster.
    pub is_cluster: bool,
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

/// Connects as a gateway does, runs its scripts with keys as it has them, and asks for the version. Nothing of it
/// stays in Redis.
///
/// # Errors
///
/// When it can't be reached, takes no scripts, or takes none for some of the keys.
pub async fn probe_redis(url: &str) -> Result<RedisFacts, RedisAway> {
    let redis = Redis::new(url, PATIENCE)?;
    let mut connection = redis.connect().await?;
    let budgets = Budgets::new();
    let count = budgets.count("switchboard:limit:doctor", Duration::from_millis(1), "doctor");
    let _: Vec<u32> = match connection.invoke(&count).await {
        // Not everybody may ask whether it is a cluster; now it is known.
        Err(error) if error.is_cluster_error() => {
            redis.note(&error);
            connection = redis.connect().await?;
            connection.invoke(&count).await?
        }
        counted => counted?,
    };
    let mut round_trip = Duration::ZERO;
    for number in 0..ORGANIZATIONS {
        let key = LimitKey {
            app: None,
            organization: format!("doctor-{number}").into(),
            bucket: "doctor".into(),
        };
        let price = Price::new([(key, Rate { per_minute: 60.0, burst: 1 })]);
        // A pause of no time leaves nothing behind.
        let call = budgets.call("block", Duration::ZERO, &price, Class::Interactive, &[]);
        let began = Instant::now();
        let _: Vec<i64> = connection.invoke(&call).await?;
        round_trip = began.elapsed();
    }
    let info = redis.info().await?;
    let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
    let version = version.unwrap_or_default().trim().to_owned();
    Ok(RedisFacts { version, round_trip, is_cluster: connection.is_cluster() })
}
