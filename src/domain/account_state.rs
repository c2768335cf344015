//! The states of an integrated account: which evidence moves it, and where to.
//!
//! | evidence | `active` | `needs_reauth` | `disconnected` |
//! | --- | --- | --- | --- |
//! | a customer finished a link | stays | `active` | stays |
//! | a new token pair was obtained | stays | `active`, when its own refusal was the reason | stays |
//! | the token endpoint refused the refresh token | `needs_reauth` | stays | stays |
//! | the known path refused an access token without a refresh token | `needs_reauth` | stays | stays |
//! | the provider signed a notice that the grant was revoked | `needs_reauth` | stays | stays |
//! | a disconnect was requested | `disconnected` | `disconnected` | stays |
//!
//! Evidence about another pair than the stored one, or about an older grant, proves nothing. No other
//! response of a provider is evidence: not a status of an arbitrary path, not a page of a firewall, not silence.

use time::{Duration, OffsetDateTime};

use super::account::AccountStatus;

/// The resolution of the providers' clocks: a grant given within it may be the one that was revoked.
const CLOCK_RESOLUTION: Duration = Duration::seconds(1);

/// What is stored about an account when evidence arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// Its status.
    pub status: AccountStatus,
    /// The number of its token pair; `None` when it has no tokens.
    pub generation: Option<i64>,
    /// Whether the token endpoint refused the refresh token of that pair.
    pub is_pair_refused: bool,
    /// When a customer last finished a link.
    pub granted_at: Option<OffsetDateTime>,
}

/// What moves an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence<'a> {
    /// A customer finished a link, and the new token works.
    Linked,
    /// The pair of this number was exchanged for a new one.
    PairRenewed {
        /// The number of the old pair.
        generation: i64,
    },
    /// The token endpoint refused the refresh token of this pair, with a code that names the grant.
    RefreshTokenRefused {
        /// The number of the pair.
        generation: i64,
        /// The provider's code.
        code: &'a str,
    },
    /// The path that is known to work with the grant refused the access token of a pair that has no
    /// refresh token.
    AccessTokenRefused {
        /// The number of the pair.
        generation: i64,
        /// The provider's code, or ours.
        code: &'a str,
    },
    /// The provider signed a notice that the grant was revoked.
    GrantRevoked {
        /// When it was revoked.
        at: OffsetDateTime,
        /// The provider's reason.
        reason: &'a str,
    },
    /// A caller who manages the account asked to disconnect it.
    DisconnectRequested,
}

/// What follows from evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// The account moves.
    Move {
        /// Its next status.
        to: AccountStatus,
        /// The reason to record.
        reason: Option<&'a str>,
    },
    /// The account is where the evidence would move it.
    Stay,
    /// The evidence says nothing about the account as it is recorded.
    Void,
}

/// The status of an account whose first link was finished.
pub const FIRST_STATUS: AccountStatus = AccountStatus::Active;

/// The step of an account for which `recorded` is stored when `evidence` arrives.
#[must_use]
pub fn step<'a>(recorded: &Recorded, evidence: &Evidence<'a>) -> Step<'a> {
    use AccountStatus::{Active, Disconnected, NeedsReauth};

    let is_current = match *evidence {
        Evidence::PairRenewed { generation }
        | Evidence::RefreshTokenRefused { generation, .. }
        | Evidence::AccessTokenRefused { generation, .. } => {
            recorded.generation == Some(generation)
        }
        Evidence::GrantRevoked { at, .. } => {
            recorded.granted_at.is_none_or(|granted_at| granted_at < at + CLOCK_RESOLUTION)
        }
        Evidence::Linked | Evidence::DisconnectRequested => true,
    };
    if !is_current || recorded.status == Disconnected {
        return Step::Void;
    }
    let (to, reason) = match *evidence {
        Evidence::Linked => (Active, None),
        Evidence::PairRenewed { .. } if recorded.is_pair_refused => (Active, None),
        Evidence::PairRenewed { .. } => return Step::Stay,
        Evidence::RefreshTokenRefused { code, .. } | Evidence::AccessTokenRefused { code, .. } => {
            (NeedsReauth, Some(code))
        }
        Evidence::GrantRevoked { reason, .. } => (NeedsReauth, Some(reason)),
        Evidence::DisconnectRequested => (Disconnected, None),
    };
    if recorded.status == to { Step::Stay } else { Step::Move { to, reason } }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    /// What happens to an account in the model.
    #[derive(Debug, Clone, Copy)]
    enum Happening {
        Link,
        Renew { pair_age: i64 },
        RefuseRefresh { pair_age: i64 },
        RefuseAccess { pair_age: i64 },
        Revoke { seconds_ago: i64 },
        Disconnect,
    }

    fn happening() -> impl Strategy<Value = Happening> {
        prop_oneof![
            3 => Just(Happening::Link),
            3 => (0..2_i64).prop_map(|pair_age| Happening::Renew { pair_age }),
            3 => (0..2_i64).prop_map(|pair_age| Happening::RefuseRefresh { pair_age }),
            2 => (0..2_i64).prop_map(|pair_age| Happening::RefuseAccess { pair_age }),
            3 => select(vec![0, 1, 2, 30]).prop_map(|seconds_ago| Happening::Revoke { seconds_ago }),
            1 => Just(Happening::Disconnect),
        ]
    }

    /// The account as a person would follow it: independent of the table above.
    struct Model {
        recorded: Recorded,
        now: OffsetDateTime,
    }

    impl Model {
        /// Lets a happening pass; gives its evidence and the status that it must lead to.
        fn pass(&mut self, happening: Happening) -> (Evidence<'static>, AccountStatus) {
            self.now += Duration::seconds(10);
            let status = self.recorded.status;
            let pair = self.recorded.generation.unwrap_or_default();
            let is_over = status == AccountStatus::Disconnected;
            let lost = if is_over { status } else { AccountStatus::NeedsReauth };
            match happening {
                Happening::Link => {
                    let next = if is_over { status } else { AccountStatus::Active };
                    (Evidence::Linked, next)
                }
                Happening::Renew { pair_age } => {
                    let mends = pair_age == 0 && self.recorded.is_pair_refused && !is_over;
                    let next = if mends { AccountStatus::Active } else { status };
                    (Evidence::PairRenewed { generation: pair - pair_age }, next)
                }
                Happening::RefuseRefresh { pair_age } => {
                    let (generation, code) = (pair - pair_age, "invalid_refresh_token");
                    let next = if pair_age == 0 { lost } else { status };
                    (Evidence::RefreshTokenRefused { generation, code }, next)
                }
                Happening::RefuseAccess { pair_age } => {
                    let (generation, code) = (pair - pair_age, "token_revoked");
                    let next = if pair_age == 0 { lost } else { status };
                    (Evidence::AccessTokenRefused { generation, code }, next)
                }
                Happening::Revoke { seconds_ago } => {
                    let at = self.now - Duration::seconds(seconds_ago);
                    let is_newer = self.recorded.granted_at.is_some_and(|granted| granted > at);
                    let next = if is_newer { status } else { lost };
                    (Evidence::GrantRevoked { at, reason: "tokens_revoked" }, next)
                }
                Happening::Disconnect => {
                    (Evidence::DisconnectRequested, AccountStatus::Disconnected)
                }
            }
        }

        /// Records what the store records beside the status.
        fn record(&mut self, happening: Happening, status: AccountStatus) {
            let was = std::mem::replace(&mut self.recorded.status, status);
            if was == AccountStatus::Disconnected {
                return;
            }
            match happening {
                Happening::Link | Happening::Renew { pair_age: 0 } => {
                    self.recorded.generation = self.recorded.generation.map(|pair| pair + 1);
                    self.recorded.is_pair_refused = false;
                }
                Happening::RefuseRefresh { pair_age: 0 } => self.recorded.is_pair_refused = true,
                Happening::Disconnect => self.recorded.generation = None,
                Happening::Renew { .. }
                | Happening::RefuseRefresh { .. }
                | Happening::RefuseAccess { .. }
                | Happening::Revoke { .. } => {}
            }
            if matches!(happening, Happening::Link) {
                self.recorded.granted_at = Some(self.now);
            }
        }
    }

    proptest! {
        #[test]
        fn every_sequence_of_evidence_leads_where_the_model_says(
            happenings in proptest::collection::vec(happening(), 1..40)
        ) {
            let now = OffsetDateTime::UNIX_EPOCH;
            let recorded = Recorded {
                status: FIRST_STATUS,
                generation: Some(1),
                is_pair_refused: false,
                granted_at: Some(now),
            };
            let mut model = Model { recorded, now };
            for happening in happenings {
                let before = model.recorded;
                let (evidence, expected) = model.pass(happening);
                let after = match step(&before, &evidence) {
                    Step::Move { to, reason } => {
                        prop_assert_ne!(to, before.status);
                        prop_assert_eq!(reason.is_some(), to == AccountStatus::NeedsReauth);
                        to
                    }
                    Step::Stay | Step::Void => before.status,
                };
                prop_assert_eq!(after, expected, "{:?} after {:?}", happening, before);
                model.record(happening, after);
            }
        }
    }

    #[test]
    fn a_disconnected_account_never_moves() {
        let recorded = Recorded {
            status: AccountStatus::Disconnected,
            generation: None,
            is_pair_refused: false,
            granted_at: None,
        };
        let at = OffsetDateTime::UNIX_EPOCH;
        for evidence in [
            Evidence::Linked,
            Evidence::PairRenewed { generation: 1 },
            Evidence::RefreshTokenRefused { generation: 1, code: "invalid_refresh_token" },
            Evidence::AccessTokenRefused { generation: 1, code: "token_revoked" },
            Evidence::GrantRevoked { at, reason: "tokens_revoked" },
            Evidence::DisconnectRequested,
        ] {
            assert_eq!(step(&recorded, &evidence), Step::Void, "{evidence:?}");
        }
    }
}
