//! Reading of a provider's change log: an audit log, or a list of the objects that were modified.

use async_trait::async_trait;
use serde_json::Value;
use time::{Duration, OffsetDateTime};

use super::{CallContext, ConnectorError};
use crate::domain::event::EventOrigin;
use crate::domain::reported_change::{ChangeSourceKind, ReportedChange};

/// Reads what changed in a directory from the provider's log.
#[async_trait]
pub trait ReadChangeLog: Send + Sync {
    /// Returns the kind of log.
    fn source(&self) -> ChangeSourceKind;

    /// Returns how its changes are called in the event feed.
    fn origin(&self) -> EventOrigin;

    /// Returns how late an entry may appear: so much of the log is read again each time.
    fn max_delay(&self) -> Duration;

    /// Reads the entries since a time, all pages. `position` is what the last read returned.
    ///
    /// # Errors
    ///
    /// When the log can't be read: `MissingScope` and `Forbidden` when the token may not.
    async fn read(
        &self,
        cx: &CallContext<'_>,
        position: Option<&Value>,
        since: OffsetDateTime,
    ) -> Result<ChangeLog, ConnectorError>;
}

/// What was read of a change log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChangeLog {
    /// The entries that concern a directory, in any order.
    pub entries: Vec<ChangeLogEntry>,
    /// The connector's own data for the next read.
    pub position: Option<Value>,
    /// The number of entries that were not understood.
    pub ignored: u64,
    /// Whether the log has too many entries to be read one by one: a full run is needed.
    pub is_cut: bool,
}

/// An entry of a change log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeLogEntry {
    /// The provider's id.
    pub id: String,
    /// The provider's time.
    pub at: OffsetDateTime,
    /// The changes that it reports.
    pub changes: Vec<ReportedChange>,
    /// Whether it concerns objects that it does not name: a full run is needed.
    pub needs_run: bool,
}
