//! The turns of calls: what each costs, and waiting for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::error::UpstreamError;
use super::request::{Budget, CallOptions};
use crate::domain::account::IntegratedAccount;
use crate::limit::{Claim, LimitKey, Limiter, Pacing, Price, Refused};

/// Waits for turns at the provider's pace.
#[derive(Clone)]
pub(super) struct Turns {
    limiter: Arc<dyn Limiter>,
    pacing: Arc<Pacing>,
}

impl Turns {
    /// Turns that `limiter` gives, at the rates of `pacing`.
    pub(super) fn new(limiter: Arc<dyn Limiter>, pacing: Pacing) -> Self {
        Self { limiter, pacing: Arc::new(pacing) }
    }

    /// What a call of an account costs that takes from these budgets of its provider. An organization that is but
    /// the address its customer named may be many customers', each with a token and budgets of their own.
    pub(super) fn price(&self, account: &IntegratedAccount, budgets: &[Budget]) -> Price {
        let own: Option<Arc<str>> =
            account.base_url.as_ref().map(|_| account.id.to_string().into());
        let organization = own.as_ref().unwrap_or(&account.organization.id);
        let app = account.provider_app_id;
        Price::new(budgets.iter().map(|budget| {
            let key = LimitKey {
                app: app.filter(|_| budget.per_app),
                organization: Arc::clone(organization),
                bucket: budget.bucket.clone(),
            };
            let rate = self.pacing.rate(account.provider, app, &key, budget.rate);
            (key, rate)
        }))
    }

    /// How long a call is expected to wait for its turn, which is asked for at one moment and of use until another.
    pub(super) fn check(
        &self,
        account: &IntegratedAccount,
        price: &Price,
        options: CallOptions<'_>,
        (asked, until): (Instant, Instant),
    ) -> Result<Duration, UpstreamError> {
        let max_wait = until.saturating_duration_since(asked);
        let claim = Claim { price, account: account.id, class: options.class, max_wait };
        self.limiter.expected_wait(&claim).map_err(|refused| noted(options, refused))
    }

    /// Waits for a turn that was asked for at one moment, until another.
    pub(super) async fn wait(
        &self,
        account: &IntegratedAccount,
        price: &Price,
        options: CallOptions<'_>,
        (asked, until): (Instant, Instant),
    ) -> Result<(), UpstreamError> {
        let max_wait = until.saturating_duration_since(asked);
        let claim = Claim { price, account: account.id, class: options.class, max_wait };
        let turn = match self.limiter.at_once(&claim) {
            Some(standings) => Ok(standings),
            None => self.limiter.acquire(claim).await,
        };
        let standings = turn.map_err(|refused| noted(options, refused))?;
        if let Some(meter) = options.meter {
            meter.note(standings);
        }
        Ok(())
    }

    /// Keeps everybody from the budget that the provider called too fast.
    pub(super) fn block(&self, price: &Price, pause: Duration) {
        self.limiter.block(&price.first(), pause);
    }
}

/// The error of a refusal, which is noted for the caller's headers.
fn noted(options: CallOptions<'_>, Refused { retry_after, standings }: Refused) -> UpstreamError {
    if let Some(meter) = options.meter {
        meter.note(standings);
    }
    UpstreamError::Limited { retry_after }
}
