//! Names of workspaces, by account. The rows of a provider tell the ids alone; one list of the workspaces names them
//! in all rows, and is kept for some minutes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::mapping::Warning;
use super::{Directory, Resource};
use crate::connectors::paging::Trail;
use crate::connectors::{CallContext, ConnectorError, Question, Reads, Record, UnreadableRows};
use crate::domain::clock::Clock;
use crate::domain::filter::{Expand, RemoteQuery, WorkspaceFilter};
use crate::domain::ids::IntegratedAccountId;
use crate::domain::page::{MAX_LIMIT, PageRequest};
use crate::domain::user::Reference;
use crate::domain::workspace::Workspace;

/// How long names are kept, in seconds: a workspace that was renamed elsewhere has its old name for so long.
const KEPT_S: i64 = 300;
/// After how many seconds names that could not be read are asked for again.
const RETRY_S: i64 = 30;
/// How long a response waits for names, at the most.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// The most workspaces of one account that are named: so many pages of the list are read.
const MAX_PAGES: usize = 10;
/// The most names in memory, of all accounts together. Each takes some 100 bytes.
const MAX_NAMES: u64 = 200_000;
/// The longest name that is kept, in bytes.
const MAX_NAME: usize = 1024;
/// How many accounts the cache is laid out for.
const ACCOUNTS: usize = 1_000;

/// The names of the workspaces of accounts.
#[derive(Clone)]
pub struct WorkspaceNames {
    kept: Arc<Cache<IntegratedAccountId, Arc<Names>, ByCount>>,
    clock: Arc<dyn Clock>,
}

/// The names of one account's workspaces, by id.
#[derive(Debug, Default)]
struct Names {
    by_id: HashMap<String, String>,
    /// Why some could not be read.
    unread: Option<String>,
    /// Until when they are used.
    until: Option<OffsetDateTime>,
}

/// An account weighs as much as it has names.
#[derive(Debug, Clone)]
struct ByCount;

impl Weighter<IntegratedAccountId, Arc<Names>> for ByCount {
    fn weight(&self, _: &IntegratedAccountId, names: &Arc<Names>) -> u64 {
        u64::try_from(names.by_id.len()).unwrap_or(u64::MAX).saturating_add(1)
    }
}

impl std::fmt::Debug for WorkspaceNames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkspaceNames").field("accounts", &self.kept.len()).finish_non_exhaustive()
    }
}

impl WorkspaceNames {
    /// No names yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { kept: Arc::new(Cache::with_weighter(ACCOUNTS, MAX_NAMES, ByCount)), clock }
    }

    /// Forgets the names of an account: one of its workspaces was made or renamed.
    pub(super) fn forget(&self, account: IntegratedAccountId) {
        self.kept.remove(&account);
    }

    /// The names of an account's workspaces. Requests that ask at the same time share one list.
    async fn of(&self, directory: &Directory<'_>, facet: &dyn Reads<Workspace>) -> Arc<Names> {
        let account = directory.cx.account.id;
        let now = self.clock.now();
        self.kept.remove_if(&account, |names| names.until.is_none_or(|until| until <= now));
        let read = async {
            let (by_id, error) = read(directory, facet).await;
            let kept = if error.is_none() { KEPT_S } else { RETRY_S };
            let until = self.clock.now().checked_add(time::Duration::seconds(kept));
            let unread = error.map(|error| reason(&error));
            Ok::<_, std::convert::Infallible>(Arc::new(Names { by_id, unread, until }))
        };
        let Ok(names) = self.kept.get_or_insert_async(&account, read).await;
        names
    }
}

/// Why names could not be read.
fn reason(error: &ConnectorError) -> String {
    let odd = error.odd.as_deref().map_or_else(String::new, |odd| format!(": {odd}"));
    format!("{error}{odd}")
}

/// Reads the names; with them, why some could not be read.
async fn read(
    directory: &Directory<'_>,
    facet: &dyn Reads<Workspace>,
) -> (HashMap<String, String>, Option<ConnectorError>) {
    let mut cx = directory.cx;
    // Rows that can't be read are warnings of `GET /workspaces`, not of this request.
    let unreadable_rows = UnreadableRows::default();
    cx.unreadable_rows = &unreadable_rows;
    cx.wants_remote = false;
    cx.options.wait_until = cx.options.wait_until.min(Instant::now() + LONGEST_WAIT);
    let mut names = HashMap::new();
    let error = read_pages(&cx, facet, &mut names).await.err();
    (names, error)
}

async fn read_pages(
    cx: &CallContext<'_>,
    facet: &dyn Reads<Workspace>,
    names: &mut HashMap<String, String>,
) -> Result<(), ConnectorError> {
    let (mut position, mut trail) = (None, Trail::default());
    let (filter, expand) = (&WorkspaceFilter::default(), &Expand::default());
    let remote_query = &RemoteQuery::default();
    for _ in 0..MAX_PAGES {
        let page = PageRequest { position, limit: MAX_LIMIT };
        let page = facet.list(cx, Question { page, filter, expand, remote_query }).await?;
        let rows = page.items.into_iter().map(|record| *record.unified);
        names.extend(rows.filter(|row| row.name.len() <= MAX_NAME).map(|row| (row.id, row.name)));
        let Some(next) = page.next else { return Ok(()) };
        cx.go_on(Workspace::NAME, &mut trail, &next.0)?;
        position = Some(next);
    }
    Ok(())
}

impl Directory<'_> {
    /// Names the workspaces in records where the provider told the ids alone; gives a warning where one is left
    /// without its name because the names could not be read.
    pub(super) async fn name_workspaces<T: Resource>(
        &self,
        records: &mut [Record<T>],
    ) -> Option<Warning> {
        let facet = self.connector.workspaces()?;
        let is_unnamed = |reference: &&mut Reference| reference.name.is_none();
        let mut references = records.iter_mut().flat_map(|record| record.unified.workspaces());
        if !references.any(|one| is_unnamed(&one)) {
            return None;
        }
        let names = self.workspace_names.of(self, facet).await;
        let references = records.iter_mut().flat_map(|record| record.unified.workspaces());
        let mut is_one_left = false;
        for reference in references.filter(is_unnamed) {
            reference.name = names.by_id.get(&reference.id).cloned();
            is_one_left |= reference.name.is_none();
        }
        let unread = names.unread.as_ref().filter(|_| is_one_left)?;
        Some(Warning {
            field: format!("{}.name", T::WORKSPACES),
            message: format!("Names of workspaces could not be read: {unread}. The ids are here."),
            ..Warning::default()
        })
    }
}
