//! Changes of this gateway among those that were found: they get the gateway's actor, and what others changed in the
//! same object is an event of its own.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::super::StoreError;
use super::super::change_events::{
    Attribution, ChangeEvent, ChangeSource, FeedLock, append_changes, lock_feed,
};
use super::super::connections::TimedConnection;
use super::super::own_changes::{self, OwnChangeRow};
use super::compare::apply;
use crate::domain::copied_object::CopiedObject;
use crate::domain::effect::FoundChange;
use crate::domain::entropy::Entropy;
use crate::domain::event::{EventKind, EventOrigin};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::own_change::created;
use crate::domain::sync::CopyKind;

/// The field that follows from the others.
const DERIVED_FIELD: &str = "updated_at";

/// The changes of this gateway that can explain what was read.
pub(in crate::store) struct OwnChanges {
    rows: Vec<OwnChangeRow>,
    used: BTreeSet<usize>,
}

/// What was read, and how the changes became known.
#[derive(Clone, Copy)]
pub(in crate::store) struct ReadObjects<'a> {
    /// The objects of each kind.
    pub(in crate::store) objects: &'a [(CopyKind, Vec<CopiedObject>)],
    /// The time before the provider was asked.
    pub(in crate::store) read_at: OffsetDateTime,
    /// How the gateway learned of the changes.
    pub(in crate::store) source: ChangeSource<'a>,
}

impl OwnChanges {
    /// Loads them.
    pub(in crate::store) async fn load(
        connection: &mut TimedConnection,
        feed: &FeedLock,
    ) -> Result<Self, StoreError> {
        let rows = own_changes::load(connection, feed.account, feed.at).await?;
        Ok(Self { rows, used: BTreeSet::new() })
    }

    /// Sets the actor of the events that are explained in full.
    pub(in crate::store) fn attribute(&mut self, events: &mut [ChangeEvent]) {
        for event in events {
            let Some(index) = self.explaining(event) else { continue };
            let Some(row) = self.rows.get_mut(index) else { continue };
            event.attribution = Some(Attribution {
                actor: row.actor.clone(),
                occurred_at: None,
                origin: EventOrigin::Gateway,
            });
            self.used.insert(index);
            if let Some((kind, id)) = &event.subject
                && event.kind == EventKind::added(*kind)
            {
                // The id of a new object was unknown; its memberships and roles follow.
                row.effects.extend(
                    created(*kind, id)
                        .into_iter()
                        .filter(|effect| !row.effects.contains(effect))
                        .collect::<Vec<_>>(),
                );
            }
        }
    }

    /// Returns the index of the change that explains all of an event.
    pub(super) fn explaining(&self, event: &ChangeEvent) -> Option<usize> {
        let (object, previous) = (event.object.as_deref(), event.previous.as_deref());
        let found = FoundChange::of(event.kind, object, previous)?;
        let explains = |row: &OwnChangeRow| {
            found.unexplained(row.effects.iter()).is_some_and(|left| left.is_empty())
        };
        self.rows.iter().position(explains)
    }

    /// Records which changes have explained an event.
    pub(in crate::store) async fn record_uses(
        &self,
        connection: &mut TimedConnection,
        feed: &FeedLock,
        read_at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        for row in self.used.iter().filter_map(|index| self.rows.get(*index)) {
            own_changes::record_use(&mut *connection, feed.account, row, read_at).await?;
        }
        Ok(())
    }

    /// Writes what others changed in objects that this gateway changes too, as events before its own. Returns the feed
    /// for the changes that follow.
    pub(in crate::store) async fn write_foreign(
        &mut self,
        connection: &mut TimedConnection,
        feed: FeedLock,
        read: ReadObjects<'_>,
        entropy: &dyn Entropy,
    ) -> Result<FeedLock, StoreError> {
        let mut events = Vec::new();
        for (kind, objects) in read.objects {
            let Some(event) = EventKind::updated(*kind) else { continue };
            let mentioned = |object: &&CopiedObject| self.mentions(event, object);
            let objects: Vec<&CopiedObject> = objects.iter().filter(mentioned).collect();
            if objects.is_empty() {
                continue;
            }
            let bodies = bodies(&mut *connection, feed.account, *kind, &objects).await?;
            let foreign =
                |object: &&CopiedObject| self.foreign_part(event, object, bodies.get(&object.id)?);
            let foreign: Vec<CopiedObject> = objects.iter().filter_map(foreign).collect();
            let applied = apply(&mut *connection, &feed, *kind, &foreign, read.read_at).await?;
            events.extend(applied.events);
        }
        if events.is_empty() {
            return Ok(feed);
        }
        self.attribute(&mut events);
        super::attribution::write_version_actors(&mut *connection, &feed, &events).await?;
        append_changes(&mut *connection, &feed, read.source, &events, entropy).await?;
        lock_feed(connection, feed.account, feed.at).await
    }

    /// Whether a change may concern an update of this object.
    fn mentions(&self, event: EventKind, object: &CopiedObject) -> bool {
        let effects = || self.rows.iter().flat_map(|row| &row.effects);
        effects().any(|effect| {
            let id = effect.fields.get("id");
            effect.kinds.contains(&event) && id.is_none_or(|id| *id == object.id)
        })
    }

    /// Returns the object without a change of this gateway, if others changed it too.
    fn foreign_part(
        &self,
        event: EventKind,
        object: &CopiedObject,
        before: &str,
    ) -> Option<CopiedObject> {
        let parse = |text: &str| serde_json::from_str::<Map<String, Value>>(text).ok();
        let (earlier, later) = (parse(before)?, parse(&object.body)?);
        let differs = |(name, value): &(String, Value)| later.get(name) != Some(value);
        let earlier: Map<String, Value> = earlier.into_iter().filter(differs).collect();
        let found = FoundChange { kind: event, object: later, earlier };
        self.rows.iter().find_map(|row| {
            let foreign = found.unexplained(row.effects.iter())?;
            let is_own = |name: &&str| !foreign.contains(name) && *name != DERIVED_FIELD;
            let mut own: Vec<&str> =
                found.earlier.keys().map(String::as_str).filter(is_own).collect();
            if foreign.is_empty() || own.is_empty() {
                return None;
            }
            own.push(DERIVED_FIELD);
            Some(object.clone().with_fields_of(Some(before), &own))
        })
    }
}

/// Returns the current bodies of objects, by id.
async fn bodies(
    connection: &mut TimedConnection,
    account: (EnvironmentId, IntegratedAccountId),
    kind: CopyKind,
    objects: &[&CopiedObject],
) -> Result<BTreeMap<String, String>, StoreError> {
    let ids: Vec<String> = objects.iter().map(|object| object.id.clone()).collect();
    let rows = sqlx::query!(
        // One lookup in an index for each object, also without statistics of the copy.
        r#"SELECT v.object_id, v.body::text AS "body!"
           FROM UNNEST($4::text[]) AS n (object_id)
           CROSS JOIN LATERAL (
               SELECT c.object_id, c.body FROM directory_versions c
               WHERE c.environment_id = $1 AND c.integrated_account_id = $2 AND c.kind = $3
                 AND c.object_id = n.object_id AND c.valid_to = 'infinity' LIMIT 1) v"#,
        account.0 as EnvironmentId,
        account.1 as IntegratedAccountId,
        kind.name(),
        &ids,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.object_id, row.body)).collect())
}
