//! Reads the pages of a run's passes.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use time::OffsetDateTime;

use super::page_objects::PageObjects;
use super::passes::{self, PassPage};
use super::run_end::StepError;
use super::services::SyncServices;
use crate::connectors::{CallContext, Connector, PageToken, UnreadableRows};
use crate::domain::account::IntegratedAccount;
use crate::domain::ids::SyncRunId;
use crate::domain::sync_run::SyncPass;
use crate::store::{JobLease, TenantDb};

/// Maximum time that one page waits for permits and retries.
const MAX_PAGE_WAIT: Duration = Duration::from_mins(15);

/// Reads the pages of a run.
#[derive(Clone, Copy)]
pub(super) struct PageReader<'r> {
    pub(super) services: &'r SyncServices,
    pub(super) db: &'r TenantDb,
    pub(super) account: &'r IntegratedAccount,
    pub(super) connector: &'r dyn Connector,
    pub(super) lease: &'r JobLease,
    pub(super) run_id: SyncRunId,
    /// Whether the run has read the profiles of users.
    pub(super) has_profiles: bool,
    /// Counts the calls.
    pub(super) calls: &'r AtomicU64,
    pub(super) unreadable_rows: &'r UnreadableRows,
}

/// A page, or why it was not read.
pub(super) struct ReadPage {
    /// The pass.
    pub(super) pass: SyncPass,
    /// The token that it was requested with.
    pub(super) token: Option<String>,
    /// The time before the provider was asked.
    pub(super) read_at: OffsetDateTime,
    /// The page.
    pub(super) page: Result<PassPage, StepError>,
}

impl<'r> PageReader<'r> {
    /// Reads a page of a pass.
    pub(super) async fn read(self, pass: SyncPass, token: Option<String>) -> ReadPage {
        let read_at = self.services.clock.now();
        let page = self.page(pass, token.clone().map(PageToken)).await;
        ReadPage { pass, token, read_at, page }
    }

    async fn page(self, pass: SyncPass, token: Option<PageToken>) -> Result<PassPage, StepError> {
        let cx = self.call_context();
        let connector = self.connector;
        Ok(match pass {
            SyncPass::Workspaces => passes::workspaces(connector, &cx, token).await?,
            SyncPass::Profiles => match connector.profiles() {
                Some(reader) => passes::profiles(reader, &cx, token).await?,
                None => PassPage::default(),
            },
            SyncPass::Users => self.users(&cx, token).await?,
            SyncPass::Groups => passes::groups(connector, &cx, token).await?,
            SyncPass::RoleAssignments => passes::role_assignments(connector, &cx, token).await?,
            SyncPass::Removals => PassPage::default(),
        })
    }

    async fn users(
        self,
        cx: &CallContext<'_>,
        token: Option<PageToken>,
    ) -> Result<PassPage, StepError> {
        let (mut users, next) = passes::users(self.connector, cx, token).await?;
        let ids: Vec<String> = users.iter().map(|user| user.id.clone()).collect();
        if let Some(reader) = self.connector.profiles()
            && self.has_profiles
        {
            let stored = self.db.sync_profiles(self.account.id, self.run_id, &ids).await?;
            passes::merge_profiles(reader, cx, &mut users, stored).await?;
        }
        let objects = PageObjects::ready(passes::user_objects(&users));
        Ok(PassPage { objects, profiles: Vec::new(), ids, next })
    }

    /// Returns the context of the run's calls.
    pub(super) fn call_context(self) -> CallContext<'r> {
        let Self { services, account, lease, unreadable_rows, calls, .. } = self;
        let subject = (lease.environment_id, account);
        let cx = services.call_context(subject, unreadable_rows, MAX_PAGE_WAIT);
        CallContext { call_count: Some(calls), ..cx }
    }
}
