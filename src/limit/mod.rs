//! Whose turn it is: calls wait for the pace that a provider allows, instead of running into its 429.
//!
//! A [`LimitKey`] is one budget at the provider. A call may need several (a SCIM endpoint and the set it
//! is in): it takes from all of them at once, or from none and goes on waiting. In front of the budgets
//! calls stand in lanes, one for each set of budgets (`lane`): people before bulk work, accounts in
//! turn, each account's calls in their order. What is left of a budget is known to this process
//! (`desk`) or to Redis (`shared`); the arithmetic is the same (`gcra`, `shared.lua`).

mod damper;
mod desk;
mod fair;
mod gcra;
mod lane;
mod ledger;
mod memory;
mod meter;
mod pacing;
mod places;
mod probe;
mod redis;
mod script;
mod shared;
mod tally;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use damper::{Damper, network};
pub use fair::FairLimiter;
pub use memory::{ByteBudget, HeldBytes, OverBudget};
pub use meter::{Meter, Standing};
pub use pacing::Pacing;
pub use places::{Place, Places};
pub use probe::{RedisAway, RedisFacts, probe_redis};
pub use redis::UnusableUrl;
pub use shared::{COUNT_EVERY, Shared};
pub use tally::Figures;

use crate::domain::ids::{IntegratedAccountId, ProviderAppId};

/// One budget at a provider: its client, its organization, its method. Two accounts of one
/// organization share it, as they do at the provider.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LimitKey {
    /// The OAuth client that calls; `None` where the provider counts all clients together.
    pub app: Option<ProviderAppId>,
    /// The organization at the provider.
    pub organization: Arc<str>,
    /// The method, or the provider's name for a set of them.
    pub bucket: Cow<'static, str>,
}

/// How fast a budget refills and how much it holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Calls a minute.
    pub per_minute: f64,
    /// Calls that may come at once after a rest; at least 1.
    pub burst: u32,
}

impl Rate {
    /// The time one call takes from the budget.
    #[must_use]
    pub fn period(self) -> Duration {
        Duration::from_secs_f64(60.0 / self.per_minute.max(0.001))
    }
}

/// Who waits for a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Somebody: such a call goes first.
    #[default]
    Interactive,
    /// Nobody in particular: the work of a batch or a job. It takes what the others leave, and at least
    /// one turn in about ten periods.
    Background,
}

/// The budgets that a call takes from, and their rates in the same order.
#[derive(Debug, Clone)]
pub struct Price {
    keys: Arc<[LimitKey]>,
    rates: Vec<Rate>,
}

impl Price {
    /// What a call costs. No budgets: nothing.
    pub fn new(budgets: impl IntoIterator<Item = (LimitKey, Rate)>) -> Self {
        let (keys, rates): (Vec<LimitKey>, Vec<Rate>) = budgets.into_iter().unzip();
        Self { keys: keys.into(), rates }
    }

    /// The first of the budgets alone: the one that the provider's 429 is about.
    #[must_use]
    pub fn first(&self) -> Self {
        Self::new(self.keys.first().cloned().into_iter().zip(self.rates.first().copied()))
    }
}

/// What is asked of a limiter for one call.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// What it takes.
    pub price: &'a Price,
    /// The account in whose name it goes: accounts take turns.
    pub account: IntegratedAccountId,
    /// Who waits for it.
    pub class: Class,
    /// How long it may wait.
    pub max_wait: Duration,
}

/// The turn would not come in time. Nothing was taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no turn within the wait allowed; the next one is in {} ms", retry_after.as_millis())]
pub struct Refused {
    /// When this call would have had its turn, given who waits before it and what is blocked. Callers
    /// that are refused together are told slightly different times.
    pub retry_after: Duration,
    /// How the budgets stand.
    pub standings: Vec<Standing>,
}

/// Gives turns.
#[async_trait]
pub trait Limiter: Send + Sync {
    /// A turn for all budgets of the claim, and how they stand after it; none when it has to be waited for.
    fn at_once(&self, claim: &Claim<'_>) -> Option<Vec<Standing>>;

    /// How long the claim would wait for its turn now. Nothing is taken.
    ///
    /// # Errors
    ///
    /// When that is longer than it may.
    fn expected_wait(&self, claim: &Claim<'_>) -> Result<Duration, Refused>;

    /// Waits for a turn: for all budgets of the claim at once. Tells how they stand after it. Whoever
    /// stops waiting gives the place back, and no turn is lost by that.
    async fn acquire(&self, claim: Claim<'_>) -> Result<Vec<Standing>, Refused>;

    /// Gives no turn of these budgets to anybody for `pause`: the provider said so.
    fn block(&self, price: &Price, pause: Duration);

    /// What there is to see of it, for metrics.
    fn figures(&self) -> Figures;
}

#[cfg(test)]
mod tests;
