//! What policies work with.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::expressions::ExpressionPool;
use crate::store::Store;
use crate::sync::SyncServices;
use crate::telemetry::Metrics;
use crate::unified::WorkspaceNames;
use crate::vault::Signer;

/// What policies work with.
#[derive(Clone)]
pub struct PolicyServices {
    /// The database.
    pub store: Store,
    /// Brings copies up to date with fixes, and has what calls to providers need.
    pub sync: SyncServices,
    /// Signs cursors.
    pub cursors: Signer,
    /// The cache of workspace names.
    pub workspace_names: WorkspaceNames,
    /// Evaluates JSONata expressions.
    pub expressions: ExpressionPool,
    /// The metrics.
    pub metrics: Metrics,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The random number generator.
    pub entropy: Arc<dyn Entropy>,
    /// Wakes the workers of this process when an account is due.
    pub due: Arc<Notify>,
}

impl std::fmt::Debug for PolicyServices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicyServices").finish_non_exhaustive()
    }
}
