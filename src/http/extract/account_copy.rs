//! The synced copy of a request's account: reads it, and brings it up to date with changes of the request.

use super::access::Write;
use super::account::Account;
use crate::connectors::CallContext;
use crate::domain::event::EventActor;
use crate::http::state::Services;
use crate::sync::{Changed, SyncedCopy, WriteThrough};

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
    /// Brings the synced copy up to date with a change of this request, if the account has one.
    pub(in crate::http) async fn write_through(&self, services: &Services, changed: Changed) {
        let actor = EventActor {
            kind: "gateway".to_owned(),
            id: Some(self.access.caller.key_id.to_string()),
            name: None,
            request_id: Some(self.access.request_id().to_owned()),
        };
        let cx = CallContext { include_remote: false, ..self.directory(services, false).cx };
        let write = WriteThrough { services: &services.sync, cx, actor };
        // Boxed to keep this future small: most accounts have no copy.
        Box::pin(write.write(&changed)).await;
    }
}
