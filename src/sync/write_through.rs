//! Makes a change of this gateway, and brings the copy up to date with it: the change is registered before it is sent, so
//! that it is known as the gateway's own even if an event or a run finds it first; then what it concerns is requested
//! from the provider and compared.

use std::future::Future;

use super::object_read::{ObjectReadError, ObjectReader, ObjectScope, UserRead};
use super::services::SyncServices;
use crate::connectors::CallContext;
use crate::domain::effect::Effect;
use crate::domain::event::{EventActor, EventOrigin};
use crate::domain::own_change::OwnChange;
use crate::domain::patch::WriteOutcome;
use crate::domain::reported_change::Subject;
use crate::store::{LogCauses, ObjectChanges, OwnChangeId, TenantDb};
use crate::unified::{ChangeResult, UnifiedError};

/// Writes changes of one request through to the copy.
#[derive(Debug)]
pub struct WriteThrough<'a> {
    /// The services.
    pub services: &'a SyncServices,
    /// The account, and the client for provider calls.
    pub cx: CallContext<'a>,
    /// Who made the change.
    pub actor: EventActor,
}

/// When the object of a change is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReadBack {
    /// After the change.
    Now,
    /// After several changes.
    Later,
}

/// How many objects a read may remove from the copy that this gateway did not remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RemovalLimits {
    /// As many as a run may.
    OfSettings,
    /// Any number.
    None,
}

/// The result of a change.
pub trait Changed {
    /// Whether anything was changed.
    fn is_changed(&self) -> bool;
}

impl Changed for WriteOutcome {
    fn is_changed(&self) -> bool {
        *self == Self::Applied
    }
}

impl Changed for ChangeResult {
    fn is_changed(&self) -> bool {
        self.steps.iter().any(|step| match &step.outcome {
            Ok(outcome) => outcome.is_changed(),
            Err(error) => error.is_outcome_unknown(),
        })
    }
}

impl WriteThrough<'_> {
    /// Makes a change, and brings the copy up to date with it. `effects` are what it explains while it is made; `change`
    /// returns the change when its object is known. A failure of the copy is logged: the change itself was made, and the
    /// next full run finds it.
    ///
    /// # Errors
    ///
    /// Those of `send`; `Store`, before anything is sent, when the change can't be registered.
    pub async fn make<T: Changed>(
        &self,
        effects: &[Effect],
        send: impl Future<Output = Result<T, UnifiedError>>,
        change: impl FnOnce(&T) -> Option<OwnChange>,
    ) -> Result<T, UnifiedError> {
        self.make_change(effects, send, change, ReadBack::Now).await
    }

    /// Makes a change as [`Self::make`], without reading the object: [`Self::refresh_object`] does that after several
    /// changes.
    ///
    /// # Errors
    ///
    /// Those of [`Self::make`].
    pub async fn make_one_of_several<T: Changed>(
        &self,
        effects: &[Effect],
        send: impl Future<Output = Result<T, UnifiedError>>,
        change: impl FnOnce(&T) -> Option<OwnChange>,
    ) -> Result<T, UnifiedError> {
        self.make_change(effects, send, change, ReadBack::Later).await
    }

    async fn make_change<T: Changed>(
        &self,
        effects: &[Effect],
        send: impl Future<Output = Result<T, UnifiedError>>,
        change: impl FnOnce(&T) -> Option<OwnChange>,
        read_back: ReadBack,
    ) -> Result<T, UnifiedError> {
        let SyncServices { store, clock, entropy, .. } = self.services;
        let account = self.cx.account;
        let db = store.tenant(account.environment_id);
        let registered = db
            .register_own_change(account.id, &self.actor, effects, clock.now(), &**entropy)
            .await?;
        let Some(registered) = registered else { return send.await };
        let result = send.await;
        let copied = match &result {
            Ok(done) => match change(done) {
                Some(change) => {
                    let change = (&change, done.is_changed());
                    self.copy(&db, &registered, change, read_back).await
                }
                // The provider does not return the object yet.
                None => Ok(()),
            },
            Err(error) if may_be_made(error) => Ok(()),
            Err(_) => Ok(db.drop_own_change(account.id, &registered).await?),
        };
        if let Err(error) = copied {
            tracing::warn!(account = %account.id, %error, "a change is copied later");
        }
        result
    }

    /// Brings the copy up to date with the object of a change that failed.
    pub async fn refresh(&self, change: &OwnChange) {
        let account = self.cx.account;
        let db = self.services.store.tenant(account.environment_id);
        if let Err(error) = self.read_back(&db, change).await {
            tracing::warn!(account = %account.id, %error, "an object is copied later");
        }
    }

    async fn copy(
        &self,
        db: &TenantDb,
        registered: &OwnChangeId,
        (change, is_changed): (&OwnChange, bool),
        read_back: ReadBack,
    ) -> Result<(), ObjectReadError> {
        let (account, clock) = (self.cx.account, &self.services.clock);
        if is_changed {
            db.end_own_change(account.id, registered, &change.effects, clock.now()).await?;
        } else {
            // What is found now was changed by others.
            db.drop_own_change(account.id, registered).await?;
        }
        if read_back == ReadBack::Later {
            return Ok(());
        }
        let written = self.read_back(db, change).await;
        // One that is made and not found yet explains what is found soon.
        if is_changed && written.is_ok() {
            db.settle_own_change(account.id, registered, &change.effects).await?;
        }
        written
    }

    async fn read_back(&self, db: &TenantDb, own: &OwnChange) -> Result<(), ObjectReadError> {
        let workspace_ids = &own.workspace_ids;
        let user = UserRead::WithRoles;
        let scope = ObjectScope { user, removes: own.may_remove(), workspace_ids };
        self.copy_object(db, &own.subject, scope, RemovalLimits::OfSettings).await
    }

    /// Reads an object and brings its copy up to date: of a user what `user` says, a group with its members. What the
    /// provider no longer has is removed from the copy, whatever its number: the caller decides by the copy.
    ///
    /// # Errors
    ///
    /// When the provider's call or the database fails.
    pub async fn refresh_object(
        &self,
        subject: &Subject,
        user: UserRead<'_>,
    ) -> Result<(), ObjectReadError> {
        let db = self.services.store.tenant(self.cx.account.environment_id);
        let scope = ObjectScope { user, removes: true, workspace_ids: &[] };
        self.copy_object(&db, subject, scope, RemovalLimits::None).await
    }

    async fn copy_object(
        &self,
        db: &TenantDb,
        subject: &Subject,
        scope: ObjectScope<'_>,
        limits: RemovalLimits,
    ) -> Result<(), ObjectReadError> {
        let account = self.cx.account;
        let Some(settings) = db.sync_settings(account.id).await? else { return Ok(()) };
        let SyncServices { clock, entropy, registry, .. } = self.services;
        let read_at = clock.now();
        let connector = registry.connector(account.provider);
        let (cx, settings) = (self.cx, &settings);
        let reader = ObjectReader { db, connector, cx, settings, now: read_at };
        let Some(read) = reader.read(subject, scope).await? else { return Ok(()) };
        let changes = ObjectChanges {
            objects: &read.objects,
            removals: &read.removals,
            max_removed: match limits {
                RemovalLimits::OfSettings => read.max_removed(settings),
                RemovalLimits::None => None,
            },
            read_at,
            // What else is found was changed by others.
            origin: EventOrigin::Sync,
            log: LogCauses { subject_id: subject.id(), causes: &[] },
            emits_initial: true,
        };
        db.write_object(account.id, &changes, clock.now(), &**entropy).await?;
        self.services.copy_changed.notify_one();
        Ok(())
    }
}

/// Whether a change that failed with this error may have been made.
fn may_be_made(error: &UnifiedError) -> bool {
    match error {
        UnifiedError::Connector(error) => error.is_outcome_unknown() || error.needs_read_back(),
        UnifiedError::Store(_) => true,
        UnifiedError::Unsupported { .. }
        | UnifiedError::Invalid(_)
        | UnifiedError::Exists { .. }
        | UnifiedError::InvalidCursor
        | UnifiedError::NotFound { .. } => false,
    }
}
