//! Invalidation feed: `LISTEN` on the channel that the triggers notify.
//!
//! A connection that is silently cut brings no notification and no error. A pooler in transaction mode accepts `LISTEN`
//! and delivers nothing, and a connection may lead to a former primary without writers. PostgreSQL delivers a session's
//! own notifications in any case, so receiving one's own proves nothing. Several times a second another connection
//! therefore sends a number on this gateway's own channel (`echo`), and the feed counts as live only while each number
//! arrives.

use std::convert::Infallible;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::feed_probe::{Echo, backend};
use super::{FeedStatus, Invalidation, RowCaches};
use crate::domain::sealed::Digest;
use crate::store::connections::TimedPool;
use crate::store::{Store, StoreError};

/// The channel that the triggers of the migrations notify.
const CHANNEL: &str = "switchboard_changes";
/// Payload that earlier versions of this program send on it; it announces no change.
const LEGACY_ECHO: &str = "echo";
/// Interval between two echoes.
const ECHO_INTERVAL: Duration = Duration::from_millis(250);
/// Maximum time for an echo to arrive.
const ECHO_TIMEOUT: Duration = Duration::from_millis(400);
/// Maximum time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Delay before the next attempt to connect.
const RETRY_DELAY: Duration = Duration::from_millis(200);
/// Maximum delay while the connection works and delivers nothing: only a change of the installation ends that.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(30);

/// Reason why changes are not delivered.
#[derive(Debug, thiserror::Error)]
enum FeedError {
    /// The connection failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The connection works, but a notification from another connection did not arrive.
    #[error(
        "a notification of another connection was not delivered: connect to the primary itself, or let the \
         pooler keep sessions (pool_mode = session)"
    )]
    NotDelivered,
}

impl From<sqlx::Error> for FeedError {
    fn from(error: sqlx::Error) -> Self {
        // A notification arrived at a session that does not listen: a pooler mixes up sessions.
        if matches!(error, sqlx::Error::Protocol(_)) {
            return Self::NotDelivered;
        }
        Self::Store(error.into())
    }
}

impl FeedError {
    fn timed_out() -> Self {
        Self::Store(StoreError::Unavailable(sqlx::Error::PoolTimedOut))
    }
}

impl Store {
    /// Follows the invalidation feed until `shutdown` is cancelled or the connections are closed. Rows are cached only
    /// while this runs. `name` distinguishes this gateway's echoes from others.
    pub async fn listen(&self, name: &str, shutdown: CancellationToken) {
        // Rows are no longer served from the cache after this ends, even by a panic.
        let _untrusted = DisconnectOnDrop(&self.caches);
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.pool.pool().close_event() => {}
            never = self.caches.run_feed(&self.pool, name) => match never {},
            never = self.caches.advance_periods() => match never {},
        }
    }

    /// Returns whether notifications of one connection are delivered to another, as invalidation requires.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn delivers_notifications(&self, within: Duration) -> Result<bool, StoreError> {
        match connect(&self.pool.connect_options(), "doctor", within).await {
            Ok(_) => {
                self.pool.set_has_sessions(true);
                Ok(true)
            }
            Err(FeedError::NotDelivered) => Ok(false),
            Err(FeedError::Store(error)) => Err(error),
        }
    }
}

/// Sets the feed to disconnected when dropped.
struct DisconnectOnDrop<'w>(&'w RowCaches);

impl Drop for DisconnectOnDrop<'_> {
    fn drop(&mut self) {
        self.0.feed.set(FeedStatus::Disconnected);
    }
}

impl RowCaches {
    async fn run_feed(&self, database: &TimedPool, name: &str) -> Infallible {
        // A separate connection, so that invalidations arrive even when calls use up the pool.
        let options = database.connect_options();
        let (mut lost_at, mut is_reported, mut pause) = (None, false, RETRY_DELAY);
        loop {
            // Concurrently, because callers wait to learn whether the database is reachable.
            let (connected, is_reachable) = tokio::join!(
                connect(&options, name, CONNECT_TIMEOUT),
                database.is_reachable(CONNECT_TIMEOUT)
            );
            let error = match connected {
                Ok((listener, echo)) => {
                    database.set_has_sessions(true);
                    self.feed_connected();
                    tracing::debug!("listening for changes");
                    let error = self.apply_invalidations(listener, echo).await;
                    self.feed.set(FeedStatus::Lost);
                    (lost_at, is_reported, pause) = (Some(Instant::now()), true, RETRY_DELAY);

                    tracing::warn!(%error, "invalidation feed lost; caching is suspended");
                    continue;
                }
                Err(error) => error,
            };

            if !std::mem::replace(&mut is_reported, true) {
                tracing::warn!(%error, "no invalidation feed; caching is suspended");
            }
            let is_recent =
                lost_at.is_some_and(|at: Instant| at.elapsed() < self.config.serve_stale_for);
            let fails = matches!(error, FeedError::Store(StoreError::Unavailable(_)));
            // Others may reach a database that only this feed can't: then stale rows must not be served.
            let is_down = is_recent && fails && !is_reachable;
            self.feed.set(if is_down {
                FeedStatus::DatabaseDown
            } else {
                FeedStatus::Disconnected
            });
            sleep(pause).await;
            pause = match error {
                FeedError::NotDelivered => {
                    database.set_has_sessions(false);
                    (pause * 2).min(MAX_RETRY_DELAY)
                }
                FeedError::Store(_) => RETRY_DELAY,
            };
        }
    }

    /// Applies invalidations until the connection or an echo is lost.
    async fn apply_invalidations(&self, mut listener: PgListener, mut echo: Echo) -> FeedError {
        let channel = echo.channel().to_owned();
        let (received, mut echoes) = watch::channel(0);
        let receive = async {
            loop {
                match listener.try_recv().await {
                    Ok(Some(notice)) if notice.channel() == channel => {
                        received.send_replace(notice.payload().parse().unwrap_or(0));
                    }
                    Ok(Some(notice)) if notice.payload() == LEGACY_ECHO => {}
                    Ok(Some(notice)) => self.invalidate(&parse(notice.payload())),
                    Ok(None) => return StoreError::Unavailable(sqlx::Error::WorkerCrashed).into(),
                    Err(error) => return error.into(),
                }
            }
        };
        let check = async {
            loop {
                sleep(ECHO_INTERVAL).await;
                let number = match timeout(CONNECT_TIMEOUT, echo.send()).await {
                    Ok(Ok(number)) => number,
                    Ok(Err(error)) => return error.into(),
                    Err(_) => return FeedError::timed_out(),
                };
                let arrival = echoes.wait_for(|received| *received == number);
                if timeout(ECHO_TIMEOUT, arrival).await.is_err() {
                    return FeedError::NotDelivered;
                }
            }
        };
        tokio::select! {
            error = receive => error,
            error = check => error,
        }
    }

    /// Advances the period, so that cached rows are re-read now and then: a last resort against lost notifications.
    async fn advance_periods(&self) -> Infallible {
        loop {
            sleep(self.config.max_age / 2).await;
            self.feed.begin_period();
        }
    }
}

/// Connects, and checks that notifications from another connection are delivered.
async fn connect(
    options: &PgConnectOptions,
    name: &str,
    limit: Duration,
) -> Result<(PgListener, Echo), FeedError> {
    let mut echo = Echo::new(options.clone(), name);
    let listening = async {
        // One pool per attempt: a shared pool would wait for a connection that a silent host leaves hanging.
        let own = PgPoolOptions::new().max_connections(1).acquire_timeout(limit);
        let mut listener =
            PgListener::connect_with(&own.connect_lazy_with(options.clone())).await?;
        // A listener that reconnects automatically does not report what it missed.
        listener.eager_reconnect(false);
        // A session must have one server process for its lifetime. Otherwise a pooler would deliver our notifications
        // to other clients.
        let (ours, other) = (backend(&mut listener).await?, echo.backend().await?);
        if ours == other || ours != backend(&mut listener).await? {
            return Err(FeedError::NotDelivered);
        }
        listener.listen(echo.channel()).await?;
        let number = echo.send().await?;
        Ok::<_, FeedError>((listener, number))
    };
    let listening = timeout(limit, listening).await;
    let (mut listener, number) = listening.unwrap_or_else(|_| Err(FeedError::timed_out()))?;
    let arrival = async {
        loop {
            let Some(notice) = listener.try_recv().await? else {
                return Err(StoreError::Unavailable(sqlx::Error::WorkerCrashed).into());
            };
            if notice.channel() == echo.channel() && notice.payload().parse() == Ok(number) {
                return Ok(());
            }
        }
    };
    timeout(limit, arrival).await.unwrap_or(Err(FeedError::NotDelivered))?;
    let listening = timeout(limit, listener.listen(CHANNEL)).await;
    listening.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
    Ok((listener, echo))
}

/// Parses the payload of a notification; returns `Everything` for an unknown one.
fn parse(payload: &str) -> Invalidation {
    let tenant = || {
        // The tenant comes last because its name may contain spaces.
        let mut words = payload.strip_prefix("tenant ")?.splitn(3, ' ');
        let (environment, provider) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some(Invalidation::Tenant(environment, provider, words.next()?.to_owned()))
    };
    let other = || match payload.split(' ').collect::<Vec<_>>().as_slice() {
        ["key", hex] => Some(Invalidation::Key(digest(hex)?)),
        ["account", environment, account] => {
            Some(Invalidation::Account(environment.parse().ok()?, account.parse().ok()?))
        }
        ["mappings", environment] => Some(Invalidation::Mappings(environment.parse().ok()?, None)),
        ["mappings", environment, account] => {
            Some(Invalidation::Mappings(environment.parse().ok()?, Some(account.parse().ok()?)))
        }
        _ => None,
    };
    tenant().or_else(other).unwrap_or(Invalidation::Everything)
}

fn digest(hex: &str) -> Option<Digest> {
    let mut bytes = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (number, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * number..2 * number + 2)?, 16).ok()?;
    }
    Some(Digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::provider::Provider;

    #[test]
    fn parses_payloads_and_clears_everything_for_unknown_ones() {
        let (env, acc) = ("env_01J8ZQ5V9Y3M7T2K4N6P8R0S1T", "acc_01J8ZQ5V9Y3M7T2K4N6P8R0S1T");
        let (env_id, acc_id) = (env.parse().unwrap(), acc.parse().unwrap());
        assert_eq!(parse(&format!("account {env} {acc}")), Invalidation::Account(env_id, acc_id));
        assert_eq!(parse(&format!("mappings {env}")), Invalidation::Mappings(env_id, None));
        assert_eq!(
            parse(&format!("mappings {env} {acc}")),
            Invalidation::Mappings(env_id, Some(acc_id))
        );
        assert_eq!(parse(&format!("key {}", "0a".repeat(32))), Invalidation::Key(Digest([10; 32])));
        let tenant = Invalidation::Tenant(env_id, Provider::Scim, "A  tenant ".to_owned());
        assert_eq!(parse(&format!("tenant {env} scim A  tenant ")), tenant);
        for other in [
            "",
            "everything",
            "key 0a",
            "key",
            "account env_1 acc_1",
            "mappings",
            "new x",
            "tenant env_1 scim x",
        ] {
            assert_eq!(parse(other), Invalidation::Everything, "{other}");
        }
    }
}
