//! What a refresh must come to: the provider's grants and the gateways' knowledge, as plain values.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use switchboard::sandbox::FaultKind;

/// How long an access token lives, in seconds.
const LIFE: i64 = 12 * 3_600;
/// A token this close to its end is renewed before it is used, in seconds.
const SKEW: i64 = 60;
/// So many attempts make a round.
const ATTEMPTS: i32 = 3;
/// More than this many live access tokens revoke the oldest.
const LIVE: usize = 2;

/// The end of a pause that has just begun: chance has a part in it, so it is looked up.
pub(super) const UNKNOWN: i64 = i64::MAX;

/// What a caller is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    /// The provider's answer.
    Okay,
    /// 502: the provider gives no new token now.
    NotNow,
    /// 409: the customer must link again.
    LinkAgain,
}

/// An access token at the provider.
#[derive(Debug, Clone, Copy)]
struct Access {
    ends: i64,
    revoked: bool,
}

/// An account, its tokens and its provider. Times are seconds since the beginning.
#[derive(Debug, Clone)]
pub(super) struct Oracle {
    grace: i64,
    /// The gateways' clock.
    now: i64,
    /// The provider's clock.
    provider_now: i64,
    /// What the next calls of the provider's token endpoint meet.
    pub(super) faults: VecDeque<FaultKind>,
    /// Whether the account works.
    pub(super) is_active: bool,
    /// When the gateways believe the stored access token to end.
    pub(super) believed_end: i64,
    /// The access tokens of the grant, oldest first.
    issued: Vec<Access>,
    /// Which of them is stored.
    stored: usize,
    /// When the stored refresh token was first used, by the provider's clock.
    used_at: Option<i64>,
    /// Attempts for the stored pair.
    pub(super) attempts: i32,
    /// Until when the provider is left alone.
    pub(super) pause_until: Option<i64>,
    /// Refreshes that the provider granted.
    pub(super) granted: u64,
    /// How often the account was marked.
    pub(super) marked: i64,
}

impl Oracle {
    /// An account that was linked just now.
    pub(super) fn linked(grace: i64) -> Self {
        Self {
            grace,
            now: 0,
            provider_now: 0,
            faults: VecDeque::new(),
            is_active: true,
            believed_end: LIFE,
            issued: vec![Access { ends: LIFE, revoked: false }],
            stored: 0,
            used_at: None,
            attempts: 0,
            pause_until: None,
            granted: 0,
            marked: 0,
        }
    }

    /// Time passes, for the provider or for all.
    pub(super) fn pass(&mut self, seconds: i64, gateways_too: bool) {
        self.provider_now += seconds;
        if gateways_too {
            self.now += seconds;
        }
    }

    /// The customer links again.
    pub(super) fn link_again(&mut self) {
        self.faults.clear();
        self.issued = vec![Access { ends: self.provider_now + LIFE, revoked: false }];
        self.used_at = None;
        self.new_pair();
        self.is_active = true;
    }

    /// Some calls at once; how they end, and how often a dead token may be sent.
    pub(super) fn call(&mut self, calls: usize) -> (Answered, RangeInclusive<usize>) {
        if !self.is_active {
            return (Answered::LinkAgain, 0..=0);
        }
        if self.believed_end - SKEW <= self.now {
            let renewed = self.renew();
            if renewed != Answered::NotNow || self.believed_end <= self.now {
                return (renewed, 0..=0);
            }
        }
        if self.lives() {
            return (Answered::Okay, 0..=0);
        }
        let renewed = self.renew();
        if renewed == Answered::NotNow {
            self.believed_end = self.believed_end.min(self.now);
        }
        (renewed, 1..=calls)
    }

    /// A new pair is asked for.
    pub(super) fn renew(&mut self) -> Answered {
        if !self.is_active {
            return Answered::LinkAgain;
        }
        if self.pause_until.is_some_and(|until| self.now < until) {
            return Answered::NotNow;
        }
        for _ in 0..ATTEMPTS {
            self.attempts += 1;
            self.pause_until = None;
            match self.faults.pop_front() {
                None if self.grant() => {
                    self.new_pair();
                    return Answered::Okay;
                }
                None => {
                    self.is_active = false;
                    self.marked += 1;
                    return Answered::LinkAgain;
                }
                Some(FaultKind::LostAnswer | FaultKind::CutBody) => {
                    self.grant();
                }
                Some(_) => {}
            }
        }
        self.pause_until = Some(UNKNOWN);
        Answered::NotNow
    }

    /// The provider is asked once, and the gateway that asks dies before it stores what comes of it.
    /// Answers whether it comes to that at all.
    pub(super) fn die_asking(&mut self, is_done: bool) -> bool {
        self.faults.clear();
        if !self.is_active || self.pause_until.is_some_and(|until| self.now < until) {
            return false;
        }
        self.attempts += 1;
        // Nobody saw the attempt's end: the next one asks at once.
        self.pause_until = None;
        if is_done {
            self.grant();
        }
        true
    }

    /// The provider is asked for the method of a call, and the gateway dies before the answer. Answers
    /// whether a call comes to that.
    pub(super) fn die_calling(&mut self) -> bool {
        self.faults.clear();
        if !self.is_active {
            return false;
        }
        if self.believed_end - SKEW <= self.now {
            let renewed = self.renew();
            return renewed == Answered::Okay
                || (renewed == Answered::NotNow && self.now < self.believed_end);
        }
        true
    }

    /// The bounds of a pause that begins after the attempts so far, in seconds.
    pub(super) fn pause_bounds(&self) -> (f64, f64) {
        let rounds = ((self.attempts - 1) / ATTEMPTS).min(16);
        let whole = 60.0_f64.min(2.0_f64.powi(rounds));
        (whole / 2.0, whole)
    }

    /// The gateways' clock.
    pub(super) fn now(&self) -> i64 {
        self.now
    }

    fn lives(&self) -> bool {
        let token = self.issued.get(self.stored);
        token.is_some_and(|token| !token.revoked && self.provider_now < token.ends)
    }

    /// The provider decides about the stored refresh token, and gives a pair when it takes it.
    fn grant(&mut self) -> bool {
        if self.used_at.is_some_and(|used| self.provider_now - used >= self.grace) {
            return false;
        }
        self.used_at.get_or_insert(self.provider_now);
        self.granted += 1;
        self.issued.push(Access { ends: self.provider_now + LIFE, revoked: false });
        let now = self.provider_now;
        let live = self.issued.iter_mut().rev();
        let live = live.filter(|token| !token.revoked && now < token.ends);
        live.skip(LIVE).for_each(|token| token.revoked = true);
        true
    }

    /// The newest pair is stored.
    fn new_pair(&mut self) {
        self.stored = self.issued.len() - 1;
        self.used_at = None;
        self.believed_end = self.now + LIFE;
        self.attempts = 0;
        self.pause_until = None;
    }
}
