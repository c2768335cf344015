//! The feed of changes: `LISTEN` on the channel that the triggers notify.
//!
//! A connection that is silently cut brings no notification and no error. A pooler that lends connections by
//! the transaction takes the `LISTEN` and delivers nothing, and the connection may lead to an old primary that
//! nobody writes to any more. PostgreSQL delivers a session's own notifications in any case, so hearing oneself
//! proves nothing. Several times a second another connection therefore sends a number on a channel of this
//! gateway's own (`echo`), and the feed counts as live only while each number arrives.

use std::convert::Infallible;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::echo::{Echo, backend};
use super::{Change, Hearing, Warm};
use crate::domain::sealed::Digest;
use crate::store::connections::Connections;
use crate::store::{Store, StoreError};

/// What the triggers of the migrations notify.
const CHANNEL: &str = "switchboard_changes";
/// What earlier versions of this program send on it; it is about no change.
const OLD_ECHO: &str = "echo";
/// The pause between an echo and the next one.
const ECHO_EVERY: Duration = Duration::from_millis(250);
/// How long an echo may take to arrive.
const ECHO_LIMIT: Duration = Duration::from_millis(400);
/// How long it may take to connect.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// The pause before the next attempt to connect.
const RETRY_EVERY: Duration = Duration::from_millis(200);
/// The longest pause while the connection works and nothing is delivered on it: that lasts until somebody
/// changes the installation.
const MAX_RETRY_PAUSE: Duration = Duration::from_secs(30);

/// Why changes are not delivered.
#[derive(Debug, thiserror::Error)]
enum FeedError {
    /// The connection failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The connection works, but what another connection notified did not arrive.
    #[error(
        "a notification of another connection was not delivered: connect to the primary itself, or let the \
         pooler keep sessions (pool_mode = session)"
    )]
    NotDelivered,
}

impl From<sqlx::Error> for FeedError {
    fn from(error: sqlx::Error) -> Self {
        // A notification arrived at a session that does not listen: a pooler mixes the sessions up.
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
    /// Follows the changes until `enough`, or until the connections are closed. Calls are faster while this
    /// runs; without it every one asks the database. `name` tells this gateway's echoes from all others.
    pub async fn listen(&self, name: &str, enough: CancellationToken) {
        // Whatever ends this, a panic included, ends the trust in what is cached.
        let _untrusted = Untrusted(&self.warm);
        tokio::select! {
            () = enough.cancelled() => {}
            () = self.pool.pool().close_event() => {}
            never = self.warm.listen(&self.pool, name) => match never {},
            never = self.warm.grow_old() => match never {},
        }
    }

    /// Whether what one connection notifies is delivered to another one, as changes have to be.
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

/// Ends the trust in what is cached when it is dropped.
struct Untrusted<'w>(&'w Warm);

impl Drop for Untrusted<'_> {
    fn drop(&mut self) {
        self.0.ear.set(Hearing::Not);
    }
}

impl Warm {
    async fn listen(&self, database: &Connections, name: &str) -> Infallible {
        // A connection of its own: when calls use up the others, changes still get through.
        let options = database.connect_options();
        let (mut lost_at, mut is_reported, mut pause) = (None, false, RETRY_EVERY);
        loop {
            // Side by side, because callers wait to learn whether the database can be reached at all.
            let (connected, is_reachable) = tokio::join!(
                connect(&options, name, CONNECT_LIMIT),
                database.is_reachable(CONNECT_LIMIT)
            );
            let error = match connected {
                Ok((listener, echo)) => {
                    database.set_has_sessions(true);
                    self.hears();
                    tracing::debug!("listening for changes");
                    let error = self.follow(listener, echo).await;
                    self.ear.set(Hearing::Losing);
                    (lost_at, is_reported, pause) = (Some(Instant::now()), true, RETRY_EVERY);

                    tracing::warn!(%error, "the feed of changes is lost; the database is asked instead");
                    continue;
                }
                Err(error) => error,
            };

            if !std::mem::replace(&mut is_reported, true) {
                tracing::warn!(%error, "there is no feed of changes; the database is asked instead");
            }
            let is_recent =
                lost_at.is_some_and(|at: Instant| at.elapsed() < self.keeping.in_outage);
            let fails = matches!(error, FeedError::Store(StoreError::Unavailable(_)));
            // Others may reach a database that only this feed can't: then the cache is not the last resort.
            let is_away = is_recent && fails && !is_reachable;
            self.ear.set(if is_away { Hearing::Away } else { Hearing::Not });
            sleep(pause).await;
            pause = match error {
                FeedError::NotDelivered => {
                    database.set_has_sessions(false);
                    (pause * 2).min(MAX_RETRY_PAUSE)
                }
                FeedError::Store(_) => RETRY_EVERY,
            };
        }
    }

    /// Follows the changes until the connection is lost, or an echo is.
    async fn follow(&self, mut listener: PgListener, mut echo: Echo) -> FeedError {
        let channel = echo.channel().to_owned();
        let (heard, mut echoes) = watch::channel(0);
        let hear = async {
            loop {
                match listener.try_recv().await {
                    Ok(Some(notice)) if notice.channel() == channel => {
                        heard.send_replace(notice.payload().parse().unwrap_or(0));
                    }
                    Ok(Some(notice)) if notice.payload() == OLD_ECHO => {}
                    Ok(Some(notice)) => self.hear(&read(notice.payload())),
                    Ok(None) => return StoreError::Unavailable(sqlx::Error::WorkerCrashed).into(),
                    Err(error) => return error.into(),
                }
            }
        };
        let prove = async {
            loop {
                sleep(ECHO_EVERY).await;
                let number = match timeout(CONNECT_LIMIT, echo.send()).await {
                    Ok(Ok(number)) => number,
                    Ok(Err(error)) => return error.into(),
                    Err(_) => return FeedError::timed_out(),
                };
                let arrival = echoes.wait_for(|heard| *heard == number);
                if timeout(ECHO_LIMIT, arrival).await.is_err() {
                    return FeedError::NotDelivered;
                }
            }
        };
        tokio::select! {
            error = hear => error,
            error = prove => error,
        }
    }

    /// Ages what is cached, so that it is read again now and then: the last resort, should a change get lost
    /// in a way that nobody thought of.
    async fn grow_old(&self) -> Infallible {
        loop {
            sleep(self.keeping.max_age / 2).await;
            self.ear.begin_period();
        }
    }
}

/// Connects, and proves that what another connection notifies is delivered.
async fn connect(
    options: &PgConnectOptions,
    name: &str,
    limit: Duration,
) -> Result<(PgListener, Echo), FeedError> {
    let mut echo = Echo::new(options.clone(), name);
    let listening = async {
        // A pool for each attempt: it would wait for a connection that a silent host leaves hanging.
        let own = PgPoolOptions::new().max_connections(1).acquire_timeout(limit);
        let mut listener =
            PgListener::connect_with(&own.connect_lazy_with(options.clone())).await?;
        // Whoever connects again automatically does not say what it missed.
        listener.eager_reconnect(false);
        // A session is one of the server's own, as long as it lasts. Where that is not so, a pooler would hand
        // what is listened to here to any other of its clients.
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

/// What a trigger said; of what can't be read, that it is more than can be said.
fn read(payload: &str) -> Change {
    let tenant = || {
        // The tenant comes last: its name may hold spaces.
        let mut words = payload.strip_prefix("tenant ")?.splitn(3, ' ');
        let (environment, provider) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some(Change::Tenant(environment, provider, words.next()?.to_owned()))
    };
    let known = || match payload.split(' ').collect::<Vec<_>>().as_slice() {
        ["key", hex] => Some(Change::Key(digest(hex)?)),
        ["account", environment, account] => {
            Some(Change::Account(environment.parse().ok()?, account.parse().ok()?))
        }
        ["mappings", environment] => Some(Change::Mappings(environment.parse().ok()?, None)),
        ["mappings", environment, account] => {
            Some(Change::Mappings(environment.parse().ok()?, Some(account.parse().ok()?)))
        }
        _ => None,
    };
    tenant().or_else(known).unwrap_or(Change::Everything)
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
    fn notices_are_read_and_one_that_is_not_understood_clears_everything() {
        let (env, acc) = ("env_01J8ZQ5V9Y3M7T2K4N6P8R0S1T", "acc_01J8ZQ5V9Y3M7T2K4N6P8R0S1T");
        let (env_id, acc_id) = (env.parse().unwrap(), acc.parse().unwrap());
        assert_eq!(read(&format!("account {env} {acc}")), Change::Account(env_id, acc_id));
        assert_eq!(read(&format!("mappings {env}")), Change::Mappings(env_id, None));
        assert_eq!(read(&format!("mappings {env} {acc}")), Change::Mappings(env_id, Some(acc_id)));
        assert_eq!(read(&format!("key {}", "0a".repeat(32))), Change::Key(Digest([10; 32])));
        let tenant = Change::Tenant(env_id, Provider::Scim, "A  tenant ".to_owned());
        assert_eq!(read(&format!("tenant {env} scim A  tenant ")), tenant);
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
            assert_eq!(read(other), Change::Everything, "{other}");
        }
    }
}
