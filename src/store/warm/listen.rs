//! The ear at the database: `LISTEN` on the channel that the triggers notify.
//!
//! A connection that is silently cut brings no notification and no error, and a pooler in between may take
//! the `LISTEN` and never tell. So where it has been quiet we call out ourselves and have to hear it. All
//! gateways hear it: the whole fleet calls out a few times a second, however large it is. The waits
//! together are less than the second within which a change has to arrive.

use std::convert::Infallible;
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPool, PgPoolOptions};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Change, Hearing, Warm};
use crate::domain::sealed::Digest;
use crate::store::{Store, StoreError};

/// What the triggers of the migrations notify.
const CHANNEL: &str = "switchboard_changes";
/// What we call out; it tells of no change.
const ECHO: &str = "echo";
/// How long the channel may be quiet before we call out, and how long the echo may take.
const QUIET: Duration = Duration::from_millis(250);
/// How long the database may take to take it.
const PATIENCE: Duration = Duration::from_millis(300);
/// How long it may take to be connected to, and to be heard from for the first time.
const FIRST_PATIENCE: Duration = Duration::from_secs(1);
/// The pause before the next try.
const PAUSE: Duration = Duration::from_millis(200);

impl Store {
    /// Listens for changes until `enough`, or until the connections are closed. Calls are faster while
    /// this runs; without it every one asks the database.
    pub async fn listen(&self, enough: CancellationToken) {
        // A connection of its own: when calls use up the others, changes still get through.
        let options = (*self.pool.connect_options()).clone();
        let own = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(FIRST_PATIENCE)
            .connect_lazy_with(options);
        tokio::select! {
            () = enough.cancelled() => {}
            () = self.pool.close_event() => {}
            never = self.warm.listen(&own) => match never {},
        }
        self.warm.ear.set(Hearing::Not);
        // The listener gives its connection back on a task of its own: the server stays until then.
        own.close().await;
    }
}

impl Warm {
    async fn listen(&self, own: &PgPool) -> Infallible {
        let (mut lost_at, mut told) = (None, false);
        loop {
            match connect(own).await {
                Ok(listener) => {
                    self.hears();
                    tracing::debug!("listening for changes");
                    let error = self.follow(listener).await;
                    self.ear.set(Hearing::Losing);
                    (lost_at, told) = (Some(Instant::now()), true);
                    tracing::warn!(%error, "changes are not heard of; the database is asked instead");
                }
                Err(error) => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!(%error, "changes can't be heard of; the database is asked instead");
                    }
                    let is_recent = lost_at.is_some_and(|at| at.elapsed() < self.keeping.in_outage);
                    let is_away = is_recent && matches!(error, StoreError::Unavailable(_));
                    self.ear.set(if is_away { Hearing::Away } else { Hearing::Not });
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Hears until the connection is lost.
    async fn follow(&self, mut listener: PgListener) -> StoreError {
        let mut called = false;
        loop {
            match timeout(QUIET, listener.try_recv()).await {
                Ok(Ok(Some(notice))) => {
                    called = false;
                    if notice.payload() != ECHO {
                        self.hear(&read(notice.payload()));
                    }
                }
                Ok(Ok(None)) => return StoreError::Unavailable(sqlx::Error::WorkerCrashed),
                Ok(Err(error)) => return error.into(),
                Err(_) if called => return StoreError::Unavailable(sqlx::Error::PoolTimedOut),
                Err(_) => {
                    called = true;
                    match timeout(PATIENCE, call_out(&mut listener)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => return error.into(),
                        Err(_) => return StoreError::Unavailable(sqlx::Error::PoolTimedOut),
                    }
                }
            }
        }
    }
}

async fn call_out(listener: &mut PgListener) -> Result<(), sqlx::Error> {
    sqlx::query("NOTIFY switchboard_changes, 'echo'").execute(listener).await?;
    Ok(())
}

async fn connect(own: &PgPool) -> Result<PgListener, StoreError> {
    let connect = async {
        let mut listener = PgListener::connect_with(own).await?;
        // Whoever connects again by itself does not tell what it missed.
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        call_out(&mut listener).await?;
        // Whatever is heard proves that we hear.
        listener.try_recv().await?.ok_or(sqlx::Error::WorkerCrashed)?;
        Ok(listener)
    };
    let connected: Result<Result<PgListener, sqlx::Error>, _> =
        timeout(FIRST_PATIENCE, connect).await;
    Ok(connected.unwrap_or(Err(sqlx::Error::PoolTimedOut))?)
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
