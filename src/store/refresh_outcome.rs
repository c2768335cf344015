//! How attempts to refresh end.

/// How an attempt to refresh ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshOutcome {
    /// A new pair was stored.
    Refreshed,
    /// The provider said no: the grant is lost.
    Refused,
    /// No answer, or none that can be trusted: the grant may live.
    Failed,
}

impl RefreshOutcome {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Refreshed => "refreshed",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}
