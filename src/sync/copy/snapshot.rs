//! One state of a copy, for reads of several pages that must fit together.

use time::OffsetDateTime;

use super::{CopiedResource, CopyError, SyncedCopy};
use crate::domain::sync::SyncResource;

/// One state of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopySnapshot {
    /// The time of the state. Reads as of this time see the same state, whatever is written in the meantime.
    pub as_of: OffsetDateTime,
    /// The copy is at least as recent as this; the requested time for a state of the past.
    pub synced_at: OffsetDateTime,
    /// The beginning of the history: the copy was erased if it differs later.
    began_at: OffsetDateTime,
}

impl SyncedCopy<'_> {
    /// Returns the state of these resources at a time, or the latest one with `None`.
    ///
    /// # Errors
    ///
    /// `NotSynced`, `OutOfRange`, or `Store`.
    pub async fn snapshot(
        &self,
        resources: &[SyncResource],
        as_of: Option<OffsetDateTime>,
    ) -> Result<CopySnapshot, CopyError> {
        let mut synced_at = as_of.unwrap_or(self.now);
        let mut began_at = OffsetDateTime::UNIX_EPOCH;
        for resource in resources {
            let Some(kind) = resource.kinds().first().copied() else { continue };
            let of = CopiedResource { kind, name: resource.name(), singular: kind.name() };
            synced_at = synced_at.min(self.check_time(of, as_of).await?);
            let freshness = self.freshness(kind).await?.ok_or(CopyError::NotSynced(of.name))?;
            began_at = began_at.max(freshness.first_synced_at);
        }
        // A change that is being committed may have an earlier time than now, but none before the last change.
        let last = self.db.last_copy_change(self.account.id).await?.unwrap_or(self.now);
        let as_of = as_of.map_or(last, |as_of| as_of.min(last));
        Ok(CopySnapshot { as_of, synced_at, began_at })
    }

    /// Checks that a state can still be read completely: that the copy was not erased, and the requested time is still
    /// within its history.
    ///
    /// # Errors
    ///
    /// `NotSynced`, `OutOfRange`, or `Store`.
    pub async fn check_snapshot(
        &self,
        snapshot: &CopySnapshot,
        resources: &[SyncResource],
        as_of: Option<OffsetDateTime>,
    ) -> Result<(), CopyError> {
        let later = self.snapshot(resources, as_of).await?;
        if later.began_at == snapshot.began_at {
            Ok(())
        } else {
            Err(CopyError::NotSynced("users"))
        }
    }
}
