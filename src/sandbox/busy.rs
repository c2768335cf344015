//! Who is being changed right now. SCIM changes a user or a group for one request at a time; a
//! second request that comes meanwhile is sent away: <https://docs.slack.dev/reference/scim-api>.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use super::locks::lock;

/// The ids of everything that is being changed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Busy(Arc<Mutex<HashSet<String>>>);

/// A change that goes on until this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    busy: Busy,
    id: String,
}

impl Busy {
    /// Begins to change something. None while somebody else does.
    pub(crate) fn begin(&self, id: &str) -> Option<Turn> {
        let begun = lock(&self.0).insert(id.to_owned());
        begun.then(|| Turn { busy: self.clone(), id: id.to_owned() })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock(&self.busy.0).remove(&self.id);
    }
}
