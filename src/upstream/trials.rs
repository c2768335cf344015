//! What the known path of an account said of a token that was refused. It is asked once for all calls that wonder.
//! That a token is invalid is remembered; that it is valid counts for the method that was refused, for a while, so that a
//! method which is not for the token costs no call each time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use foldhash::HashMap;
use time::OffsetDateTime;
use tokio::time::Instant;
use url::Url;

use super::client::HttpClient;
use super::guard::NamedBy;
use super::request::{Dialect, Validity};
use super::trial::try_token;
use crate::domain::ids::IntegratedAccountId;
use crate::vault::secret::AccessToken;

/// How long it is remembered.
const REMEMBERED: Duration = Duration::from_mins(1);
/// How long it is remembered that a new token is refused as well: another one would be no better.
const LONGER: Duration = Duration::from_mins(5);
/// More accounts than this are looked through for what is too old.
const MANY: usize = 1_000;

/// What the known path says of a token.
pub(super) async fn validity_of(
    token: &AccessToken,
    (http, url, named_by): (&HttpClient, Url, NamedBy),
    dialect: &dyn Dialect,
    now: OffsetDateTime,
) -> Validity {
    match try_token(http, url, token, named_by, now).await {
        Ok(trial) => dialect.validity(&trial),
        Err(_) => Validity::Unknown,
    }
}

/// A call that was refused.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal<'a> {
    /// Whose token it carried.
    pub(super) account: IntegratedAccountId,
    /// The provider's method.
    pub(super) method: &'a str,
    /// When the response came.
    pub(super) refused_at: Instant,
}

/// What is known of one pair.
#[derive(Debug, Clone)]
struct Known {
    generation: i64,
    validity: Validity,
    /// The method whose refusal was looked into; `None` for all.
    method: Option<Box<str>>,
    asked_at: Instant,
    until: Instant,
}

impl Known {
    /// Whether it decides about `refusal`.
    fn decides(&self, refusal: &Refusal<'_>, generation: i64) -> bool {
        let is_for_all = matches!(self.validity, Validity::Invalid(_)) || self.method.is_none();
        let is_same_method = self.method.as_deref() == Some(refusal.method);
        self.generation == generation
            && self.until > Instant::now()
            && (is_for_all || is_same_method || self.asked_at >= refusal.refused_at)
    }
}

type Place = Arc<tokio::sync::Mutex<Option<Known>>>;

/// What is known of each account's.
#[derive(Debug, Clone, Default)]
pub(super) struct Trials(Arc<Mutex<HashMap<IntegratedAccountId, Place>>>);

impl Trials {
    /// What the known path says of the account's pair `generation`: as it is remembered, else as `tried` shows.
    pub(super) async fn of(
        &self,
        refusal: &Refusal<'_>,
        generation: i64,
        tried: impl Future<Output = Validity>,
    ) -> Validity {
        let place = self.place(refusal.account);
        let mut known = place.lock().await;
        if let Some(known) = known.as_ref().filter(|known| known.decides(refusal, generation)) {
            return known.validity;
        }
        let asked_at = Instant::now();
        let validity = tried.await;
        if validity != Validity::Unknown {
            let (method, until) = (Some(refusal.method.into()), Instant::now() + REMEMBERED);
            *known = Some(Known { generation, validity, method, asked_at, until });
        }
        validity
    }

    /// Notes that a pair which is new was refused, too.
    pub(super) async fn refused_anew(&self, account: IntegratedAccountId, generation: i64) {
        let place = self.place(account);
        let asked_at = Instant::now();
        let (validity, until) = (Validity::Valid, asked_at + LONGER);
        *place.lock().await = Some(Known { generation, validity, method: None, asked_at, until });
    }

    fn place(&self, account: IntegratedAccountId) -> Place {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= MANY {
            let now = Instant::now();
            // One that somebody holds is in use.
            places.retain(|_, place| {
                let held = place.try_lock();
                held.map_or(true, |known| known.as_ref().is_some_and(|known| known.until > now))
            });
        }
        Arc::clone(places.entry(account).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVALID: Validity = Validity::Invalid("token_revoked");

    fn account(number: u128) -> IntegratedAccountId {
        format!("acc_{}", ulid::Ulid::from(number)).parse().unwrap()
    }

    async fn of(trials: &Trials, method: &str, generation: i64, says: Validity) -> Validity {
        let refused_at = Instant::now();
        let refusal = Refusal { account: account(1), method, refused_at };
        trials.of(&refusal, generation, async move { says }).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_valid_token_is_remembered_for_its_method_and_an_invalid_one_for_all() {
        let trials = Trials::default();
        let step = || tokio::time::advance(Duration::from_millis(1));
        assert_eq!(of(&trials, "a", 1, Validity::Unknown).await, Validity::Unknown);
        assert_eq!(of(&trials, "a", 1, Validity::Valid).await, Validity::Valid);
        step().await;
        assert_eq!(of(&trials, "a", 1, INVALID).await, Validity::Valid, "remembered");
        assert_eq!(of(&trials, "b", 1, INVALID).await, INVALID, "another method");
        step().await;
        assert_eq!(of(&trials, "a", 1, Validity::Valid).await, INVALID, "remembered for all");
        assert_eq!(of(&trials, "a", 2, Validity::Valid).await, Validity::Valid, "another pair");
        tokio::time::advance(REMEMBERED).await;
        assert_eq!(of(&trials, "a", 2, INVALID).await, INVALID, "too old");
        trials.refused_anew(account(1), 3).await;
        tokio::time::advance(REMEMBERED).await;
        assert_eq!(of(&trials, "c", 3, INVALID).await, Validity::Valid, "no better");
    }

    #[tokio::test(start_paused = true)]
    async fn calls_refused_before_a_trial_began_share_it() {
        let trials = Trials::default();
        let refused_at = Instant::now();
        for (method, says) in [("a", Validity::Valid), ("b", INVALID)] {
            let refusal = Refusal { account: account(1), method, refused_at };
            assert_eq!(trials.of(&refusal, 1, async move { says }).await, Validity::Valid);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_too_old_is_forgotten_when_there_is_much() {
        let trials = Trials::default();
        let refused_at = Instant::now();
        let of = |number| Refusal { account: account(number), method: "a", refused_at };
        for number in 0..MANY as u128 {
            trials.of(&of(number), 1, async { Validity::Valid }).await;
        }
        tokio::time::advance(REMEMBERED).await;
        trials.of(&of(u128::MAX), 1, async { Validity::Valid }).await;
        assert_eq!(trials.0.lock().unwrap().len(), 1);
    }
}
