//! Outcomes of refresh attempts, as stored.

/// Outcome of a refresh attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// A new pair was stored.
    Refreshed,
    /// The provider rejected the refresh token: the grant is lost.
    Rejected,
    /// No response, or an inconclusive one: the grant may still be valid.
    Failed,
}

impl AttemptOutcome {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Refreshed => "refreshed",
            Self::Rejected => "refused",
            Self::Failed => "failed",
        }
    }
}
