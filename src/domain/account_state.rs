//! The state machine of an integrated account: which evidence changes its status, and to what.
//!
//! | evidence | `active` | `needs_reauth` | `disconnected` |
//! | --- | --- | --- | --- |
//! | a customer finished a link | stays | `active` | stays |
//! | a new token pair was obtained | stays | `active`, if the rejection of that pair was the reason | stays |
//! | the token endpoint rejected the refresh token | `needs_reauth` | stays | stays |
//! | the token check rejected an access token without a refresh token | `needs_reauth` | stays | stays |
//! | a signed event of the provider says that the grant was revoked | `needs_reauth` | stays | stays |
//! | a disconnect was requested | `disconnected` | `disconnected` | stays |
//!
//! Evidence about another token pair than the stored one, or about an older grant, is ignored. No other response of a
//! provider is evidence: not the status of an arbitrary path, not a firewall's page, not a timeout.

use time::{Duration, OffsetDateTime};

use super::account::AccountStatus;

/// The resolution of the providers' clocks: a grant issued within it may be the revoked one.
const CLOCK_RESOLUTION: Duration = Duration::seconds(1);

/// The stored state of an account when evidence arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountSnapshot {
    /// The status.
    pub status: AccountStatus,
    /// The generation of its token pair; `None` without tokens.
    pub generation: Option<i64>,
    /// Whether the token endpoint rejected the refresh token of that pair.
    pub is_refresh_token_rejected: bool,
    /// When a customer last completed a link.
    pub granted_at: Option<OffsetDateTime>,
}

/// Evidence about an account's grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence<'a> {
    /// A customer completed a link, and the new token is valid.
    Linked,
    /// The pair of this generation was exchanged for a new one.
    TokensRefreshed {
        /// The generation of the old pair.
        generation: i64,
    },
    /// The token endpoint rejected the refresh token of this pair with a code about the grant.
    RefreshTokenRejected {
        /// The generation of the pair.
        generation: i64,
        /// The provider's code.
        code: &'a str,
    },
    /// The token check rejected the access token of a pair without a refresh token.
    AccessTokenRejected {
        /// The generation of the pair.
        generation: i64,
        /// The provider's code, or ours.
        code: &'a str,
    },
    /// A signed event of the provider says that the grant was revoked.
    GrantRevoked {
        /// When it was revoked.
        at: OffsetDateTime,
        /// The provider's reason.
        reason: &'a str,
    },
    /// A caller requested the disconnection.
    DisconnectRequested,
}

/// The result of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition<'a> {
    /// The status changes.
    MoveTo {
        /// The next status.
        status: AccountStatus,
        /// The reason to record.
        reason: Option<&'a str>,
    },
    /// The account has the resulting status already.
    Unchanged,
    /// The evidence does not concern the stored state.
    Ignored,
}

/// The status after the first completed link.
pub const INITIAL_STATUS: AccountStatus = AccountStatus::Active;

/// Returns the transition of an account with the state `recorded` on `evidence`.
#[must_use]
pub fn transition<'a>(recorded: &AccountSnapshot, evidence: &Evidence<'a>) -> Transition<'a> {
    use AccountStatus::{Active, Disconnected, NeedsReauth};

    let is_current = match *evidence {
        Evidence::TokensRefreshed { generation }
        | Evidence::RefreshTokenRejected { generation, .. }
        | Evidence::AccessTokenRejected { generation, .. } => {
            recorded.generation == Some(generation)
        }
        Evidence::GrantRevoked { at, .. } => {
            recorded.granted_at.is_none_or(|granted_at| granted_at < at + CLOCK_RESOLUTION)
        }
        Evidence::Linked | Evidence::DisconnectRequested => true,
    };
    if !is_current || recorded.status == Disconnected {
        return Transition::Ignored;
    }
    let (to, reason) = match *evidence {
        Evidence::Linked => (Active, None),
        Evidence::TokensRefreshed { .. } if recorded.is_refresh_token_rejected => (Active, None),
        Evidence::TokensRefreshed { .. } => return Transition::Unchanged,
        Evidence::RefreshTokenRejected { code, .. }
        | Evidence::AccessTokenRejected { code, .. } => (NeedsReauth, Some(code)),
        Evidence::GrantRevoked { reason, .. } => (NeedsReauth, Some(reason)),
        Evidence::DisconnectRequested => (Disconnected, None),
    };
    if recorded.status == to {
        Transition::Unchanged
    } else {
        Transition::MoveTo { status: to, reason }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    /// An event in the model.
    #[derive(Debug, Clone, Copy)]
    enum ModelEvent {
        Link,
        Renew { pair_age: i64 },
        RefuseRefresh { pair_age: i64 },
        RefuseAccess { pair_age: i64 },
        Revoke { seconds_ago: i64 },
        Disconnect,
    }

    fn model_event() -> impl Strategy<Value = ModelEvent> {
        prop_oneof![
            3 => Just(ModelEvent::Link),
            3 => (0..2_i64).prop_map(|pair_age| ModelEvent::Renew { pair_age }),
            3 => (0..2_i64).prop_map(|pair_age| ModelEvent::RefuseRefresh { pair_age }),
            2 => (0..2_i64).prop_map(|pair_age| ModelEvent::RefuseAccess { pair_age }),
            3 => select(vec![0, 1, 2, 30]).prop_map(|seconds_ago| ModelEvent::Revoke { seconds_ago }),
            1 => Just(ModelEvent::Disconnect),
        ]
    }

    /// The account as a person would follow it: independent of the table above.
    struct Model {
        recorded: AccountSnapshot,
        now: OffsetDateTime,
    }

    impl Model {
        /// Applies an event; returns its evidence and the expected status.
        fn pass(&mut self, model_event: ModelEvent) -> (Evidence<'static>, AccountStatus) {
            self.now += Duration::seconds(10);
            let status = self.recorded.status;
            let pair = self.recorded.generation.unwrap_or_default();
            let is_over = status == AccountStatus::Disconnected;
            let lost = if is_over { status } else { AccountStatus::NeedsReauth };
            match model_event {
                ModelEvent::Link => {
                    let next = if is_over { status } else { AccountStatus::Active };
                    (Evidence::Linked, next)
                }
                ModelEvent::Renew { pair_age } => {
                    let mends =
                        pair_age == 0 && self.recorded.is_refresh_token_rejected && !is_over;
                    let next = if mends { AccountStatus::Active } else { status };
                    (Evidence::TokensRefreshed { generation: pair - pair_age }, next)
                }
                ModelEvent::RefuseRefresh { pair_age } => {
                    let (generation, code) = (pair - pair_age, "invalid_refresh_token");
                    let next = if pair_age == 0 { lost } else { status };
                    (Evidence::RefreshTokenRejected { generation, code }, next)
                }
                ModelEvent::RefuseAccess { pair_age } => {
                    let (generation, code) = (pair - pair_age, "token_revoked");
                    let next = if pair_age == 0 { lost } else { status };
                    (Evidence::AccessTokenRejected { generation, code }, next)
                }
                ModelEvent::Revoke { seconds_ago } => {
                    let at = self.now - Duration::seconds(seconds_ago);
                    let is_newer = self.recorded.granted_at.is_some_and(|granted| granted > at);
                    let next = if is_newer { status } else { lost };
                    (Evidence::GrantRevoked { at, reason: "tokens_revoked" }, next)
                }
                ModelEvent::Disconnect => {
                    (Evidence::DisconnectRequested, AccountStatus::Disconnected)
                }
            }
        }

        /// Records what the store records beside the status.
        fn record(&mut self, model_event: ModelEvent, status: AccountStatus) {
            let was = std::mem::replace(&mut self.recorded.status, status);
            if was == AccountStatus::Disconnected {
                return;
            }
            match model_event {
                ModelEvent::Link | ModelEvent::Renew { pair_age: 0 } => {
                    self.recorded.generation = self.recorded.generation.map(|pair| pair + 1);
                    self.recorded.is_refresh_token_rejected = false;
                }
                ModelEvent::RefuseRefresh { pair_age: 0 } => {
                    self.recorded.is_refresh_token_rejected = true;
                }
                ModelEvent::Disconnect => self.recorded.generation = None,
                ModelEvent::Renew { .. }
                | ModelEvent::RefuseRefresh { .. }
                | ModelEvent::RefuseAccess { .. }
                | ModelEvent::Revoke { .. } => {}
            }
            if matches!(model_event, ModelEvent::Link) {
                self.recorded.granted_at = Some(self.now);
            }
        }
    }

    proptest! {
        #[test]
        fn every_sequence_of_evidence_leads_where_the_model_says(
            model_events in proptest::collection::vec(model_event(), 1..40)
        ) {
            let now = OffsetDateTime::UNIX_EPOCH;
            let recorded = AccountSnapshot {
                status: INITIAL_STATUS,
                generation: Some(1),
                is_refresh_token_rejected: false,
                granted_at: Some(now),
            };
            let mut model = Model { recorded, now };
            for model_event in model_events {
                let before = model.recorded;
                let (evidence, expected) = model.pass(model_event);
                let after = match transition(&before, &evidence) {
                    Transition::MoveTo { status, reason } => {
                        prop_assert_ne!(status, before.status);
                        prop_assert_eq!(reason.is_some(), status == AccountStatus::NeedsReauth);
                        status
                    }
                    Transition::Unchanged | Transition::Ignored => before.status,
                };
                prop_assert_eq!(after, expected, "{:?} after {:?}", model_event, before);
                model.record(model_event, after);
            }
        }
    }

    #[test]
    fn a_disconnected_account_never_moves() {
        let recorded = AccountSnapshot {
            status: AccountStatus::Disconnected,
            generation: None,
            is_refresh_token_rejected: false,
            granted_at: None,
        };
        let at = OffsetDateTime::UNIX_EPOCH;
        for evidence in [
            Evidence::Linked,
            Evidence::TokensRefreshed { generation: 1 },
            Evidence::RefreshTokenRejected { generation: 1, code: "invalid_refresh_token" },
            Evidence::AccessTokenRejected { generation: 1, code: "token_revoked" },
            Evidence::GrantRevoked { at, reason: "tokens_revoked" },
            Evidence::DisconnectRequested,
        ] {
            assert_eq!(transition(&recorded, &evidence), Transition::Ignored, "{evidence:?}");
        }
    }
}
