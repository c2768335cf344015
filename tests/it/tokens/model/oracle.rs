//! Model of the refresh: the provider's grants and the gateways' knowledge, as plain values.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use switchboard::sandbox::FaultKind;

/// Lifetime of an access token, in seconds.
const TOKEN_LIFETIME_S: i64 = 12 * 3_600;
/// Time before its expiry at which a token is refreshed before it is used, in seconds.
const REFRESH_BEFORE_EXPIRY_S: i64 = 60;
/// Attempts per round.
const MAX_ATTEMPTS: i32 = 3;
/// Maximum number of valid access tokens; beyond it the oldest is revoked.
const MAX_VALID_TOKENS: usize = 2;

/// End of a backoff that has just begun: it is random, so it is read from the gateway.
pub(super) const UNKNOWN: i64 = i64::MAX;

/// Expected result of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// The provider's response.
    Success,
    /// 502: the provider issues no new token now.
    RefreshUnavailable,
    /// 409: the customer must link again.
    LinkAgain,
}

/// An access token at the provider.
#[derive(Debug, Clone, Copy)]
struct AccessToken {
    ends: i64,
    revoked: bool,
}

/// An account, its tokens and its provider. Times are seconds since the start.
#[derive(Debug, Clone)]
pub(super) struct Oracle {
    grace: i64,
    /// The gateways' clock.
    now: i64,
    /// The provider's clock.
    provider_now: i64,
    /// Faults of the next calls of the provider's token endpoint.
    pub(super) faults: VecDeque<FaultKind>,
    /// Whether the account is active.
    pub(super) is_active: bool,
    /// Expiry of the stored access token as known to the gateways.
    pub(super) believed_end: i64,
    /// The access tokens of the grant, oldest first.
    issued: Vec<AccessToken>,
    /// Index of the stored one.
    stored: usize,
    /// First use of the stored refresh token, by the provider's clock.
    used_at: Option<i64>,
    /// Attempts with the stored pair.
    pub(super) attempts: i32,
    /// End of the backoff.
    pub(super) pause_until: Option<i64>,
    /// Refreshes that the provider granted.
    pub(super) granted: u64,
    /// How often the account was reported as lost.
    pub(super) marked: i64,
}

impl Oracle {
    /// Creates an account that was just linked.
    pub(super) fn linked(grace: i64) -> Self {
        Self {
            grace,
            now: 0,
            provider_now: 0,
            faults: VecDeque::new(),
            is_active: true,
            believed_end: TOKEN_LIFETIME_S,
            issued: vec![AccessToken { ends: TOKEN_LIFETIME_S, revoked: false }],
            stored: 0,
            used_at: None,
            attempts: 0,
            pause_until: None,
            granted: 0,
            marked: 0,
        }
    }

    /// Advances the provider's clock, or all clocks.
    pub(super) fn advance(&mut self, seconds: i64, gateways_too: bool) {
        self.provider_now += seconds;
        if gateways_too {
            self.now += seconds;
        }
    }

    /// The customer links again.
    pub(super) fn link_again(&mut self) {
        self.faults.clear();
        self.issued =
            vec![AccessToken { ends: self.provider_now + TOKEN_LIFETIME_S, revoked: false }];
        self.used_at = None;
        self.new_pair();
        self.is_active = true;
    }

    /// Makes concurrent calls; returns their result, and how often an invalid token may be sent.
    pub(super) fn call(&mut self, calls: usize) -> (Expected, RangeInclusive<usize>) {
        if !self.is_active {
            return (Expected::LinkAgain, 0..=0);
        }
        if self.believed_end - REFRESH_BEFORE_EXPIRY_S <= self.now {
            let renewed = self.refresh();
            if renewed != Expected::RefreshUnavailable || self.believed_end <= self.now {
                return (renewed, 0..=0);
            }
        }
        if self.is_valid() {
            return (Expected::Success, 0..=0);
        }
        let renewed = self.refresh();
        if renewed == Expected::RefreshUnavailable {
            self.believed_end = self.believed_end.min(self.now);
        }
        (renewed, 1..=calls)
    }

    /// Refreshes the pair.
    pub(super) fn refresh(&mut self) -> Expected {
        if !self.is_active {
            return Expected::LinkAgain;
        }
        if self.pause_until.is_some_and(|until| self.now < until) {
            return Expected::RefreshUnavailable;
        }
        for _ in 0..MAX_ATTEMPTS {
            self.attempts += 1;
            self.pause_until = None;
            match self.faults.pop_front() {
                None if self.grant() => {
                    self.new_pair();
                    return Expected::Success;
                }
                None => {
                    self.is_active = false;
                    self.marked += 1;
                    return Expected::LinkAgain;
                }
                Some(FaultKind::LostResponse | FaultKind::CutBody) => {
                    self.grant();
                }
                Some(_) => {}
            }
        }
        self.pause_until = Some(UNKNOWN);
        Expected::RefreshUnavailable
    }

    /// The provider receives one refresh, and the gateway is killed before it stores the result.
    /// Returns whether a refresh is sent at all.
    pub(super) fn kill_while_refreshing(&mut self, is_done: bool) -> bool {
        self.faults.clear();
        if !self.is_active || self.pause_until.is_some_and(|until| self.now < until) {
            return false;
        }
        self.attempts += 1;
        // The attempt has no recorded end: the next one is sent immediately.
        self.pause_until = None;
        if is_done {
            self.grant();
        }
        true
    }

    /// The provider receives a call, and the gateway is killed before the response. Returns
    /// whether a call is sent.
    pub(super) fn kill_while_calling(&mut self) -> bool {
        self.faults.clear();
        if !self.is_active {
            return false;
        }
        if self.believed_end - REFRESH_BEFORE_EXPIRY_S <= self.now {
            let renewed = self.refresh();
            return renewed == Expected::Success
                || (renewed == Expected::RefreshUnavailable && self.now < self.believed_end);
        }
        true
    }

    /// Returns the bounds of a backoff that begins after the attempts so far, in seconds.
    pub(super) fn pause_bounds(&self) -> (f64, f64) {
        let rounds = ((self.attempts - 1) / MAX_ATTEMPTS).min(16);
        let whole = 60.0_f64.min(2.0_f64.powi(rounds));
        (whole / 2.0, whole)
    }

    /// Returns the gateways' clock.
    pub(super) fn now(&self) -> i64 {
        self.now
    }

    fn is_valid(&self) -> bool {
        let token = self.issued.get(self.stored);
        token.is_some_and(|token| !token.revoked && self.provider_now < token.ends)
    }

    /// The provider checks the stored refresh token, and issues a pair if it accepts it.
    fn grant(&mut self) -> bool {
        if self.used_at.is_some_and(|used| self.provider_now - used >= self.grace) {
            return false;
        }
        self.used_at.get_or_insert(self.provider_now);
        self.granted += 1;
        self.issued
            .push(AccessToken { ends: self.provider_now + TOKEN_LIFETIME_S, revoked: false });
        let now = self.provider_now;
        let live = self.issued.iter_mut().rev();
        let live = live.filter(|token| !token.revoked && now < token.ends);
        live.skip(MAX_VALID_TOKENS).for_each(|token| token.revoked = true);
        true
    }

    /// Stores the newest pair.
    fn new_pair(&mut self) {
        self.stored = self.issued.len() - 1;
        self.used_at = None;
        self.believed_end = self.now + TOKEN_LIFETIME_S;
        self.attempts = 0;
        self.pause_until = None;
    }
}
