//! A cache of workspace names by account. A provider's rows refer to workspaces by id; one cached list of the
//! workspaces gives the names for all rows. The synced copy of the directory has them without a call.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::mapping::Warning;
use super::{Directory, Resource};
use crate::connectors::paging::PageHistory;
use crate::connectors::{
    CallContext, ConnectorError, ListRequest, ReadResource, Unified, UnreadableRows,
};
use crate::domain::account::IntegratedAccount;
use crate::domain::clock::Clock;
use crate::domain::filter::{Expand, RemoteQuery, WorkspaceFilter};
use crate::domain::ids::IntegratedAccountId;
use crate::domain::page::{MAX_LIMIT, PageRequest};
use crate::domain::user::ResourceRef;
use crate::domain::workspace::Workspace;
use crate::store::Store;

/// Seconds to cache names: the maximum age of a name that was changed at the provider.
const NAME_TTL_S: i64 = 300;
/// Seconds to cache a failed read.
const ERROR_TTL_S: i64 = 30;
/// Maximum time that a response waits for names.
const MAX_WAIT: Duration = Duration::from_secs(2);
/// Maximum number of pages of workspaces to read per account.
const MAX_PAGES: usize = 10;
/// Maximum number of cached names of all accounts together, about 100 bytes each.
const MAX_NAMES: u64 = 200_000;
/// Maximum length of a cached name, in bytes.
const MAX_NAME_BYTES: usize = 1024;
/// Initial capacity of the cache, in accounts.
const EXPECTED_ACCOUNTS: usize = 1_000;

/// A cache of workspace names by account.
#[derive(Clone)]
pub struct WorkspaceNames {
    cache: Arc<Cache<IntegratedAccountId, Arc<CachedNames>, NameCount>>,
    store: Store,
    clock: Arc<dyn Clock>,
}

/// The names of one account's workspaces, by id.
#[derive(Debug, Default)]
struct CachedNames {
    by_id: HashMap<String, String>,
    /// Why some names could not be read.
    error: Option<String>,
    /// When the entry expires.
    expires_at: Option<OffsetDateTime>,
    /// Whether they are those of the synced copy, which may lack a new workspace.
    is_copied: bool,
}

impl CachedNames {
    /// Whether these names are as good as those of the provider.
    fn suffice(&self, ids: &[String], now: OffsetDateTime) -> bool {
        let is_valid = self.expires_at.is_some_and(|until| until > now);
        is_valid && (!self.is_copied || ids.iter().all(|id| self.by_id.contains_key(id)))
    }
}

/// Weighs a cache entry by its number of names.
#[derive(Debug, Clone)]
struct NameCount;

impl Weighter<IntegratedAccountId, Arc<CachedNames>> for NameCount {
    fn weight(&self, _: &IntegratedAccountId, names: &Arc<CachedNames>) -> u64 {
        u64::try_from(names.by_id.len()).unwrap_or(u64::MAX).saturating_add(1)
    }
}

impl std::fmt::Debug for WorkspaceNames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkspaceNames")
            .field("accounts", &self.cache.len())
            .finish_non_exhaustive()
    }
}

impl WorkspaceNames {
    /// Returns an empty cache.
    #[must_use]
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self {
            cache: Arc::new(Cache::with_weighter(EXPECTED_ACCOUNTS, MAX_NAMES, NameCount)),
            store,
            clock,
        }
    }

    /// Invalidates the names of an account after one of its workspaces was created or renamed.
    pub(super) fn invalidate(&self, account: IntegratedAccountId) {
        self.cache.remove(&account);
    }

    /// Returns the names of the synced copy, if it has all of these.
    async fn copied(
        &self,
        account: &IntegratedAccount,
        ids: &[String],
    ) -> Option<HashMap<String, String>> {
        let db = self.store.tenant(account.environment_id);
        // Without the database, the provider has the names.
        let settings = db.sync_settings(account.id).await.ok()??;
        if !settings.enabled {
            return None;
        }
        let names = db.copied_workspace_names(account.id, None, None).await.ok()?;
        let names: HashMap<String, String> = names.into_iter().collect();
        ids.iter().all(|id| names.contains_key(id)).then_some(names)
    }

    /// Returns the names of an account's workspaces, with those of `ids`. Concurrent requests share one read.
    async fn get_or_read(
        &self,
        directory: &Directory<'_>,
        reader: &dyn ReadResource<Workspace>,
        ids: &[String],
    ) -> Arc<CachedNames> {
        let account = directory.cx.account.id;
        let now = self.clock.now();
        self.cache.remove_if(&account, |names| !names.suffice(ids, now));
        let read = async {
            if let Some(by_id) = self.copied(directory.cx.account, ids).await {
                let expires_at = now.checked_add(time::Duration::seconds(NAME_TTL_S));
                let names = CachedNames { by_id, error: None, expires_at, is_copied: true };
                return Ok(Arc::new(names));
            }
            let (by_id, error) = read(directory, reader).await;
            let kept = if error.is_none() { NAME_TTL_S } else { ERROR_TTL_S };
            let until = self.clock.now().checked_add(time::Duration::seconds(kept));
            let unread = error.map(|error| reason(&error));
            Ok::<_, std::convert::Infallible>(Arc::new(CachedNames {
                by_id,
                error: unread,
                expires_at: until,
                is_copied: false,
            }))
        };
        let Ok(names) = self.cache.get_or_insert_async(&account, read).await;
        names
    }
}

/// Describes why names could not be read.
fn reason(error: &ConnectorError) -> String {
    let odd = error.defect.as_deref().map_or_else(String::new, |odd| format!(": {odd}"));
    format!("{error}{odd}")
}

/// Reads the names; returns with them the error, if some could not be read.
async fn read(
    directory: &Directory<'_>,
    reader: &dyn ReadResource<Workspace>,
) -> (HashMap<String, String>, Option<ConnectorError>) {
    let mut cx = directory.cx;
    // Unreadable rows are warnings of `GET /workspaces`, not of this request.
    let unreadable_rows = UnreadableRows::default();
    cx.unreadable_rows = &unreadable_rows;
    cx.include_remote = false;
    cx.options.wait_until = cx.options.wait_until.min(Instant::now() + MAX_WAIT);
    let mut names = HashMap::new();
    let error = read_pages(&cx, reader, &mut names).await.err();
    (names, error)
}

async fn read_pages(
    cx: &CallContext<'_>,
    reader: &dyn ReadResource<Workspace>,
    names: &mut HashMap<String, String>,
) -> Result<(), ConnectorError> {
    let (mut position, mut trail) = (None, PageHistory::default());
    let (filter, expand) = (&WorkspaceFilter::default(), &Expand::default());
    let remote_query = &RemoteQuery::default();
    for _ in 0..MAX_PAGES {
        let page = PageRequest { token: position, limit: MAX_LIMIT };
        let page = reader.list(cx, ListRequest { page, filter, expand, remote_query }).await?;
        let rows = page.items.into_iter().map(|record| *record.resource);
        names.extend(
            rows.filter(|row| row.name.len() <= MAX_NAME_BYTES).map(|row| (row.id, row.name)),
        );
        let Some(next) = page.next else { return Ok(()) };
        cx.advance(Workspace::NAME, &mut trail, &next.0)?;
        position = Some(next);
    }
    Ok(())
}

impl Directory<'_> {
    /// Adds missing workspace names to records; returns a warning when names are missing because they could not be
    /// read.
    pub(super) async fn name_workspaces<T: Resource>(
        &self,
        records: &mut [Unified<T>],
    ) -> Option<Warning> {
        let reader = self.connector.workspaces()?;
        let is_unnamed = |reference: &&mut ResourceRef| reference.name.is_none();
        let references = records.iter_mut().flat_map(|record| record.resource.workspaces());
        let unnamed = references.filter(is_unnamed).map(|reference| reference.id.clone());
        let mut ids: Vec<String> = unnamed.collect();
        if ids.is_empty() {
            return None;
        }
        ids.sort_unstable();
        ids.dedup();
        let names = self.workspace_names.get_or_read(self, reader, &ids).await;
        let references = records.iter_mut().flat_map(|record| record.resource.workspaces());
        let mut is_one_left = false;
        for reference in references.filter(is_unnamed) {
            reference.name = names.by_id.get(&reference.id).cloned();
            is_one_left |= reference.name.is_none();
        }
        let unread = names.error.as_ref().filter(|_| is_one_left)?;
        Some(Warning {
            field: format!("{}.name", T::WORKSPACES_FIELD),
            message: format!(
                "Names of workspaces could not be read: {unread}. Only ids are returned."
            ),
            ..Warning::default()
        })
    }
}
