//! What the sync works with.

use std::sync::Arc;

use crate::connectors::Registry;
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::store::{Store, UsageLog};
use crate::upstream::Upstream;

/// What the sync works with.
#[derive(Clone)]
pub struct SyncServices {
    /// The database.
    pub store: Store,
    /// The connectors of the providers.
    pub registry: Arc<Registry>,
    /// Sends calls to providers.
    pub upstream: Upstream,
    /// The usage log of tokens.
    pub uses: UsageLog,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The random number generator.
    pub entropy: Arc<dyn Entropy>,
}

impl std::fmt::Debug for SyncServices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SyncServices").finish_non_exhaustive()
    }
}
