//! How things ended that are counted by their end.

/// What an end is called that has no name of its own.
pub(super) const OTHER: &str = "other";

/// How a call to a provider ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Called {
    /// With an answer to pass on.
    Answered,
    /// The access token is dead.
    DeadToken,
    /// The provider did not take the token: it is dead, or not for this.
    RefusedToken,
    /// The provider said "too fast": HTTP 429.
    TooFast,
    /// The provider is in trouble.
    Trouble,
    /// It could not be reached.
    Unreachable,
    /// It did not answer in time.
    Timeout,
    /// Its answer broke off, or can't be read.
    Broken,
}

impl Called {
    pub(super) const ALL: [(Self, &'static str); 8] = [
        (Self::Answered, "answered"),
        (Self::DeadToken, "dead_token"),
        (Self::RefusedToken, "refused_token"),
        (Self::TooFast, "too_fast"),
        (Self::Trouble, "trouble"),
        (Self::Unreachable, "unreachable"),
        (Self::Timeout, "timeout"),
        (Self::Broken, "broken"),
    ];

    /// Its name as a label.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(one, _)| *one == self).map_or(OTHER, |one| one.1)
    }
}

/// How an attempt to renew tokens ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewed {
    /// With a new pair.
    Refreshed,
    /// The grant is lost.
    Refused,
    /// Our client was refused.
    ClientRefused,
    /// The request was refused for a reason that does not name the grant.
    Unclear,
    /// The provider did not answer in time.
    TimedOut,
    /// The provider could not be reached.
    Unreachable,
    /// The provider is in trouble.
    Down,
    /// The answer was lost.
    AnswerLost,
}

impl Renewed {
    pub(super) const ALL: [(Self, &'static str); 8] = [
        (Self::Refreshed, "refreshed"),
        (Self::Refused, "refused"),
        (Self::ClientRefused, "client_refused"),
        (Self::Unclear, "unclear"),
        (Self::TimedOut, "timed_out"),
        (Self::Unreachable, "unreachable"),
        (Self::Down, "down"),
        (Self::AnswerLost, "answer_lost"),
    ];
}
