//! Writes what was read of one object after a change: one that the gateway made, or one that the provider reported.

use time::OffsetDateTime;

use super::super::change_events::{ChangeEvent, ChangeSource, FeedLock, append_changes, lock_feed};
use super::super::change_sources::{self, SourceLease};
use super::super::columns::parse_names;
use super::super::connections::TimedConnection;
use super::super::rechecks::{self, Recheck};
use super::super::{StoreError, TenantDb};
use super::attribution::{LogCauses, attribute, write_version_actors};
use super::compare::{apply, remove};
use super::own::{OwnChanges, ReadObjects};
use super::removal_limit::RemovalLimit;
use crate::domain::copied_object::CopiedObject;
use crate::domain::entropy::Entropy;
use crate::domain::event::EventOrigin;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::sync::{CopyKind, MaxRemoved};

/// What was read of one object, and of what refers to it.
#[derive(Debug)]
pub struct ObjectChanges<'a> {
    /// The objects of each kind, in the order of their events.
    pub objects: &'a [(CopyKind, Vec<CopiedObject>)],
    /// The ids of the objects of each kind that no longer exist.
    pub removals: &'a [(CopyKind, Vec<String>)],
    /// How many objects of a kind may be removed that this gateway did not remove; `None` for any number.
    pub max_removed: Option<MaxRemoved>,
    /// The time before the provider was asked.
    pub read_at: OffsetDateTime,
    /// How the gateway learned of the change.
    pub origin: EventOrigin,
    /// What the provider's audit log says of it.
    pub log: LogCauses<'a>,
    /// Whether events are appended for kinds of which there is no complete copy yet.
    pub emits_initial: bool,
}

impl TenantDb {
    /// Writes what was read of an object after a change that this gateway made, with the events.
    ///
    /// # Errors
    ///
    /// When the database fails; then nothing is written.
    pub async fn write_object(
        &self,
        account_id: IntegratedAccountId,
        changes: &ObjectChanges<'_>,
        now: OffsetDateTime,
        entropy: &dyn Entropy,
    ) -> Result<(), StoreError> {
        // Most reads find what is known. The lock is for changes: the account's others wait for it.
        if self.is_as_read(account_id, changes).await? {
            return Ok(());
        }
        let mut tx = self.pool.begin().await?;
        let feed = lock_feed(&mut tx, (self.environment_id, account_id), now).await?;
        if write(&mut tx, feed, changes, entropy).await? {
            tx.commit().await?;
        }
        Ok(())
    }

    /// Writes what was read of an object that the provider reported as changed, with the events, and ends its recheck.
    /// Returns `false` when another worker has claimed the account.
    ///
    /// # Errors
    ///
    /// When the database fails; then nothing is written.
    pub async fn write_recheck(
        &self,
        lease: &SourceLease,
        recheck: &Recheck,
        changes: Option<&ObjectChanges<'_>>,
        now: OffsetDateTime,
        entropy: &dyn Entropy,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
        let feed = lock_feed(&mut tx, (self.environment_id, lease.account_id), now).await?;
        if !change_sources::holds_lease(&mut tx, lease).await? {
            return Ok(false);
        }
        rechecks::end(&mut tx, feed.account, recheck, now).await?;
        if let Some(changes) = changes {
            write(&mut tx, feed, changes, entropy).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Whether the copy is as what was read: then there is nothing to write.
    async fn is_as_read(
        &self,
        account_id: IntegratedAccountId,
        changes: &ObjectChanges<'_>,
    ) -> Result<bool, StoreError> {
        if changes.removals.iter().any(|(_, ids)| !ids.is_empty()) {
            return Ok(false);
        }
        for (kind, objects) in changes.objects {
            let (ids, hashes): (Vec<String>, Vec<Vec<u8>>) =
                objects.iter().map(|object| (object.id.clone(), object.hash.to_vec())).unzip();
            let times: Vec<Option<OffsetDateTime>> =
                objects.iter().map(|object| object.user.as_ref()?.last_activity_at).collect();
            let is_as_read = sqlx::query_scalar!(
                r#"SELECT NOT EXISTS (
                       SELECT FROM UNNEST($4::text[], $5::bytea[], $6::timestamptz[]) AS n (object_id, hash, active_at)
                       LEFT JOIN LATERAL (
                           SELECT c.hash, c.last_activity_at FROM directory_versions c
                           WHERE c.environment_id = $1 AND c.integrated_account_id = $2 AND c.kind = $3
                             AND c.object_id = n.object_id AND c.valid_to = 'infinity' LIMIT 1) v ON true
                       WHERE v.hash IS DISTINCT FROM n.hash
                         OR n.active_at > COALESCE(v.last_activity_at, '-infinity')) AS "is_as_read!""#,
                self.environment_id as EnvironmentId,
                account_id as IntegratedAccountId,
                kind.name(),
                &ids,
                &hashes,
                &times as &[Option<OffsetDateTime>],
            )
            .fetch_one(&self.pool)
            .await?;
            if !is_as_read {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Writes changes with their events. Returns `false` when the account is not active: its copy is erased.
async fn write(
    connection: &mut TimedConnection,
    feed: FeedLock,
    changes: &ObjectChanges<'_>,
    entropy: &dyn Entropy,
) -> Result<bool, StoreError> {
    let is_active = sqlx::query_scalar!(
        r#"SELECT status = 'active' AS "is_active!" FROM integrated_accounts
           WHERE environment_id = $1 AND integrated_account_id = $2"#,
        feed.account.0 as EnvironmentId,
        feed.account.1 as IntegratedAccountId,
    )
    .fetch_optional(&mut *connection)
    .await?;
    if is_active != Some(true) {
        return Ok(false);
    }
    let emitted = emitted_kinds(&mut *connection, &feed, changes.emits_initial).await?;
    let read_at = changes.read_at;
    let source = ChangeSource {
        origin: changes.origin,
        actor: None,
        initial: false,
        read_at: Some(read_at),
    };
    let mut own = OwnChanges::load(&mut *connection, &feed).await?;
    let read = ReadObjects { objects: changes.objects, read_at, source };
    let feed = if changes.objects.iter().all(|(kind, _)| emitted.contains(kind)) {
        own.write_foreign(&mut *connection, feed, read, entropy).await?
    } else {
        feed
    };
    let mut events: Vec<ChangeEvent> = Vec::new();
    for (kind, objects) in changes.objects {
        let applied = apply(&mut *connection, &feed, *kind, objects, read_at).await?;
        events.extend(applied.events);
    }
    let limit = remove_allowed(&mut *connection, &feed, &own, changes, &mut events).await?;
    if limit.is_exceeded {
        change_sources::set_run_needed(&mut *connection, feed.account, true).await?;
    }
    events.retain(|event| event.subject.as_ref().is_some_and(|(kind, _)| emitted.contains(kind)));
    own.attribute(&mut events);
    own.record_uses(&mut *connection, &feed, read_at).await?;
    attribute(&mut *connection, &feed, &mut events, (changes.log, read_at)).await?;
    write_version_actors(&mut *connection, &feed, &events).await?;
    append_changes(connection, &feed, source, &events, entropy).await?;
    Ok(true)
}

/// Removes what may be removed, and adds the events.
async fn remove_allowed(
    connection: &mut TimedConnection,
    feed: &FeedLock,
    own: &OwnChanges,
    changes: &ObjectChanges<'_>,
    events: &mut Vec<ChangeEvent>,
) -> Result<RemovalLimit, StoreError> {
    let mut limit = RemovalLimit::new(changes.max_removed);
    for (kind, ids) in changes.removals {
        let found = (*kind, ids.as_slice(), changes.read_at);
        let ids = limit.allowed(&mut *connection, feed, own, found).await?;
        let removed = remove(&mut *connection, feed, *kind, &ids, changes.read_at).await?;
        events.extend(removed.events);
    }
    Ok(limit)
}

/// Returns the kinds whose changes become events: not those that the first run is reading.
async fn emitted_kinds(
    connection: &mut TimedConnection,
    feed: &FeedLock,
    emits_initial: bool,
) -> Result<Vec<CopyKind>, StoreError> {
    if emits_initial {
        return Ok(CopyKind::ALL.to_vec());
    }
    let complete = sqlx::query_scalar!(
        "SELECT kind FROM directory_copies WHERE environment_id = $1 AND integrated_account_id = $2",
        feed.account.0 as EnvironmentId,
        feed.account.1 as IntegratedAccountId,
    )
    .fetch_all(connection)
    .await?;
    parse_names("directory_copies", "kind", &complete)
}
