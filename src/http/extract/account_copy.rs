//! The synced copy of a request's account: reads it, brings it up to date with changes of the request, and fixes
//! violations in it.

use std::future::Future;
use std::time::Duration;

use super::account::Account;
use super::authentication::Write;
use crate::connectors::CallContext;
use crate::domain::effect::Effect;
use crate::domain::event::EventActor;
use crate::domain::own_change::OwnChange;
use crate::http::state::Services;
use crate::policies::Fixer;
use crate::sync::{Changed, SyncedCopy, WriteThrough};
use crate::unified::UnifiedError;

impl<P> Account<P> {
    /// Returns the synced copy of the account's directory.
    pub(in crate::http) fn copy<'a>(&'a self, services: &'a Services) -> SyncedCopy<'a> {
        SyncedCopy {
            db: &self.access.db,
            account: &self.row,
            signer: &services.cursors,
            mappings: &self.mappings,
            expressions: &services.expressions,
            now: services.clock.now(),
        }
    }
}

impl Account<Write> {
    /// Makes a change whose object is known, and brings the synced copy up to date with it, if the account has one.
    pub(in crate::http) async fn change<T: Changed>(
        &self,
        services: &Services,
        change: OwnChange,
        send: impl Future<Output = Result<T, UnifiedError>>,
    ) -> Result<T, UnifiedError> {
        let effects = change.effects.clone();
        self.create(services, &effects, send, |_| Some(change)).await
    }

    /// Makes a change that may create its object. `effects` are what it explains before the object is known.
    pub(in crate::http) async fn create<T: Changed>(
        &self,
        services: &Services,
        effects: &[Effect],
        send: impl Future<Output = Result<T, UnifiedError>>,
        change: impl FnOnce(&T) -> Option<OwnChange>,
    ) -> Result<T, UnifiedError> {
        let cx = CallContext { include_remote: false, ..self.directory(services, false).cx };
        let write = WriteThrough { services: &services.sync, cx, actor: self.actor() };
        // Boxed to keep this future small: most accounts have no copy.
        Box::pin(write.make(effects, Box::pin(send), change)).await
    }

    /// Returns how long the caller waits for permits, retries and other work on the account.
    pub(in crate::http) fn max_wait(&self) -> Duration {
        self.max_wait
    }

    /// Returns what fixes violations in the name of the caller.
    pub(in crate::http) fn fixer<'a>(&'a self, services: &'a Services) -> Fixer<'a> {
        Fixer { changes: self.changes(services, false), actor: self.actor() }
    }

    /// Returns the caller as the actor of events.
    fn actor(&self) -> EventActor {
        EventActor {
            kind: "gateway".to_owned(),
            id: Some(self.access.caller.key_id.to_string()),
            name: None,
            app: None,
            request_id: Some(self.access.request_id().to_owned()),
        }
    }
}
