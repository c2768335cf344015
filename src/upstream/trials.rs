//! What is known of tokens that were refused: whether each is dead. It is asked once for all calls that wonder, and
//! remembered for a while, so that a token which is not for something costs neither a grant nor a call each time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use foldhash::HashMap;
use time::OffsetDateTime;
use tokio::time::Instant;
use url::Url;

use super::answer::Verdict;
use super::client::{HttpClient, NamedBy};
use super::request::Dialect;
use super::trial::try_token;
use crate::domain::ids::IntegratedAccountId;
use crate::vault::secret::AccessToken;

/// How long it is remembered.
const REMEMBERED: Duration = Duration::from_mins(1);
/// How long it is remembered that a new token is refused as well: another one would be no better.
const LONGER: Duration = Duration::from_mins(5);
/// More accounts than this are looked through for what is too old.
const MANY: usize = 1_000;

/// Whether a token that was refused is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// It lives: what was asked is not for it.
    Alive,
    /// It is dead.
    Dead,
    /// Nobody could say.
    Unknown,
}

/// Whether a token is dead, as a trial shows.
pub(super) async fn life_of(
    token: &AccessToken,
    (http, url, named_by): (&HttpClient, &Url, NamedBy),
    dialect: &dyn Dialect,
    now: OffsetDateTime,
) -> Life {
    let Ok(answer) = try_token(http, url.clone(), token, named_by, now).await else {
        return Life::Unknown;
    };
    let body = answer.body.to_string();
    match dialect.verdict(answer.status, &answer.headers, Some(body.as_bytes())) {
        Verdict::DeadToken | Verdict::RefusedToken => Life::Dead,
        Verdict::Final => Life::Alive,
        Verdict::TooFast | Verdict::Trouble => Life::Unknown,
    }
}

/// What is known of one pair.
#[derive(Debug, Clone, Copy)]
struct Known {
    generation: i64,
    life: Life,
    until: Instant,
}

type Place = Arc<tokio::sync::Mutex<Option<Known>>>;

/// What is known of each account's.
#[derive(Debug, Clone, Default)]
pub(super) struct Trials(Arc<Mutex<HashMap<IntegratedAccountId, Place>>>);

impl Trials {
    /// Whether the account's pair `generation` is dead: as it is remembered, else as `tried` shows.
    pub(super) async fn of(
        &self,
        account: IntegratedAccountId,
        generation: i64,
        tried: impl Future<Output = Life>,
    ) -> Life {
        let place = self.place(account);
        let mut known = place.lock().await;
        if let Some(known) = &*known
            && known.generation == generation
            && known.until > Instant::now()
        {
            return known.life;
        }
        let life = tried.await;
        if life != Life::Unknown {
            *known = Some(Known { generation, life, until: Instant::now() + REMEMBERED });
        }
        life
    }

    /// Notes that a pair which is new was refused, too.
    pub(super) async fn refused_anew(&self, account: IntegratedAccountId, generation: i64) {
        let place = self.place(account);
        let until = Instant::now() + LONGER;
        *place.lock().await = Some(Known { generation, life: Life::Alive, until });
    }

    fn place(&self, account: IntegratedAccountId) -> Place {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= MANY {
            let now = Instant::now();
            // One that somebody holds is in use.
            places.retain(|_, place| {
                place.try_lock().map_or(true, |known| known.is_some_and(|known| known.until > now))
            });
        }
        Arc::clone(places.entry(account).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(number: u128) -> IntegratedAccountId {
        format!("acc_{}", ulid::Ulid::from(number)).parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_pair_is_tried_once_a_while_and_what_nobody_knows_each_time() {
        let trials = Trials::default();
        let of = |generation, life| trials.of(account(1), generation, async move { life });
        assert_eq!(of(1, Life::Unknown).await, Life::Unknown);
        assert_eq!(of(1, Life::Alive).await, Life::Alive);
        assert_eq!(of(1, Life::Dead).await, Life::Alive, "remembered");
        assert_eq!(of(2, Life::Dead).await, Life::Dead, "another pair");
        tokio::time::advance(REMEMBERED).await;
        assert_eq!(of(2, Life::Alive).await, Life::Alive);
        trials.refused_anew(account(1), 3).await;
        tokio::time::advance(REMEMBERED).await;
        assert_eq!(of(3, Life::Dead).await, Life::Alive, "another one would be no better");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_too_old_is_forgotten_when_there_is_much() {
        let trials = Trials::default();
        for number in 0..MANY as u128 {
            trials.of(account(number), 1, async { Life::Alive }).await;
        }
        tokio::time::advance(REMEMBERED).await;
        trials.of(account(u128::MAX), 1, async { Life::Alive }).await;
        assert_eq!(trials.0.lock().unwrap().len(), 1);
    }
}
