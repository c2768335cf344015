//! The [`Sandbox`] value: a cloneable handle on one organization, its grants, rate limits, faults
//! and logs. The HTTP layer in `api` and the tests use it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use serde::Serialize;
use time::serde::rfc3339;
use time::{Duration, OffsetDateTime};

use super::apps::{Apps, SlackApp};
use super::audit::AuditApp;
use super::change_log::ChangeLog;
use super::churn::ChurnController;
use super::events::EventDispatcher;
use super::faults::{Fault, FaultInjector, FaultStatus, InjectedFault};
use super::files::{Files, UploadedFile};
use super::grants::{
    self, GrantStore, InstallTarget, Installation, OAuthErrorCode, TokenIdentity, TokenPair,
};
use super::limits::{RateBucket, RateLimits};
use super::locks::{lock, read, write};
use super::options::{SandboxError, SandboxOptions};
use super::org::{Actor, Edit, GridOrganization, RecordedChange};
use super::request_log::{RecordedRequest, RequestLogView, RequestRecorder};
use super::resource_locks::{LockGuard, ResourceLocks};
use super::seed;
use crate::domain::clock::{Clock, ShiftedClock};

/// Handle on a sandbox. Clones share all state.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    options: SandboxOptions,
    clock: ShiftedClock,
    org: RwLock<GridOrganization>,
    apps: RwLock<Apps>,
    grants: RwLock<GrantStore>,
    limits: Mutex<RateLimits>,
    faults: Mutex<FaultInjector>,
    files: Mutex<Files>,
    request_log: Mutex<RequestRecorder>,
    change_log: Mutex<ChangeLog>,
    events: EventDispatcher,
    churn: ChurnController,
    resource_locks: ResourceLocks,
    /// Counts resets. Cursors of an earlier generation are rejected.
    generation: AtomicU64,
    response_count: AtomicU64,
}

/// Counters of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SandboxStats {
    /// Accounts, bots included.
    pub users: usize,
    /// Accounts that are not deactivated.
    pub active_users: usize,
    /// Workspaces.
    pub workspaces: usize,
    /// Assignments of system roles.
    pub role_assignments: usize,
    /// Groups of the identity provider.
    pub groups: usize,
    /// Access tokens issued since the start or the last reset.
    pub tokens_issued: u64,
    /// Successful refreshes since the start or the last reset.
    pub refreshes: u64,
    /// The provider's clock.
    #[serde(with = "rfc3339")]
    pub now: OffsetDateTime,
}

impl Sandbox {
    /// Generates the organization and loads the grants of an earlier run, if a grants file exists.
    ///
    /// # Errors
    ///
    /// [`SandboxError::Grants`] if the grants file exists but is unreadable or invalid.
    pub fn new(options: SandboxOptions, clock: Arc<dyn Clock>) -> Result<Self, SandboxError> {
        let stored = match &options.grants_file {
            None => None,
            Some(path) => grants::load(path)
                .map_err(|source| SandboxError::Grants { path: path.clone(), source })?,
        };
        let grants = stored.unwrap_or_else(|| GrantStore::new(options.seed));
        let clock = ShiftedClock::new(clock);
        clock.advance(Duration::milliseconds(grants.clock_offset_ms));
        Ok(Self(Arc::new(Inner {
            org: RwLock::new(seed::organization(options.seed, options.users, options.workspaces)),
            apps: RwLock::new(Apps::new()),
            grants: RwLock::new(grants),
            limits: Mutex::new(RateLimits::new(options.enforce_limits, options.time_scale)),
            faults: Mutex::new(FaultInjector::new(options.seed)),
            files: Mutex::new(Files::new(options.seed)),
            request_log: Mutex::new(RequestRecorder::default()),
            change_log: Mutex::new(ChangeLog::default()),
            events: EventDispatcher::new(options.seed),
            churn: ChurnController::default(),
            resource_locks: ResourceLocks::default(),
            generation: AtomicU64::new(0),
            response_count: AtomicU64::new(0),
            clock,
            options,
        })))
    }

    /// Returns the settings that the sandbox was created with.
    #[must_use]
    pub fn options(&self) -> &SandboxOptions {
        &self.0.options
    }

    /// Returns the current time of the provider's clock.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        self.0.clock.now()
    }

    /// Runs `look` on the organization under the read lock.
    pub fn with_org<T>(&self, look: impl FnOnce(&GridOrganization) -> T) -> T {
        look(&read(&self.0.org))
    }

    /// Applies a change to the organization, records it and emits its events.
    pub fn change_org<T>(&self, actor: Actor, change: impl FnOnce(&mut Edit<'_>) -> T) -> T {
        self.change_org_via(actor, None, change)
    }

    /// Applies a change as a token's user, through the token's app.
    pub(super) fn change_org_on_behalf_of<T>(
        &self,
        caller: &TokenIdentity,
        change: impl FnOnce(&mut Edit<'_>) -> T,
    ) -> T {
        let found = self.with_org(|org| org.find(&caller.user_id).map(|(index, _)| index));
        let app = self.app(&caller.client_id).map(|app| AuditApp::of(&app, caller));
        self.change_org_via(found.map_or(Actor::Provider, Actor::Person), app, change)
    }

    fn change_org_via<T>(
        &self,
        actor: Actor,
        app: Option<AuditApp>,
        change: impl FnOnce(&mut Edit<'_>) -> T,
    ) -> T {
        let now = self.now().unix_timestamp();
        let mut org = write(&self.0.org);
        let mut edit = Edit::new(&mut org, actor, now);
        let result = change(&mut edit);
        let changes = edit.finish();
        if !changes.is_empty() {
            self.emit_changes(&org, &changes);
            lock(&self.0.change_log).record(&org, changes, app.map(Arc::new).as_ref());
        }
        result
    }

    /// Returns the recorded changes since the start or the last reset, oldest first.
    #[must_use]
    pub fn changes(&self) -> Vec<RecordedChange> {
        lock(&self.0.change_log).changes()
    }

    /// Runs `look` on the change log.
    pub(super) fn with_change_log<T>(&self, look: impl FnOnce(&mut ChangeLog) -> T) -> T {
        look(&mut lock(&self.0.change_log))
    }

    /// Deactivates guests whose access has expired.
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method alone has one lifetime"
    )]
    pub(super) fn deactivate_expired_guests(&self) {
        let now = self.now().unix_timestamp();
        if self.with_org(|org| org.has_expired_guests(now)) {
            self.change_org(Actor::Provider, |edit| edit.deactivate_expired_guests());
        }
    }

    /// Returns a copy of the organization.
    #[must_use]
    pub fn snapshot(&self) -> GridOrganization {
        self.with_org(GridOrganization::clone)
    }

    /// Returns the current counters.
    #[must_use]
    pub fn stats(&self) -> SandboxStats {
        let (tokens_issued, refreshes) =
            self.with_grants(|grants| (grants.tokens_issued, grants.refreshes));
        self.with_org(|org| SandboxStats {
            users: org.people().len(),
            active_users: org.people().iter().filter(|person| person.is_active()).count(),
            workspaces: org.workspaces.len(),
            role_assignments: org.roles.len(),
            groups: org.groups.idp_groups().count(),
            tokens_issued,
            refreshes,
            now: self.now(),
        })
    }

    /// Registers an app; it replaces an app with the same client id.
    pub fn register_app(&self, app: SlackApp) {
        write(&self.0.apps).register(app);
    }

    /// Returns the app with this client id.
    #[must_use]
    pub fn app(&self, client_id: &str) -> Option<SlackApp> {
        read(&self.0.apps).get(client_id)
    }

    /// Returns all registered apps.
    #[must_use]
    pub fn apps(&self) -> Vec<SlackApp> {
        read(&self.0.apps).all().cloned().collect()
    }

    /// Installs an app on the organization as its primary owner, without a browser. Returns the
    /// user's tokens.
    ///
    /// # Errors
    ///
    /// [`OAuthErrorCode::InvalidClientId`] for an unregistered app, [`OAuthErrorCode::NoScopes`]
    /// without scopes.
    pub fn install(
        &self,
        client_id: &str,
        user_scopes: &[&str],
    ) -> Result<TokenPair, OAuthErrorCode> {
        let owner = self.with_org(|org| org.primary_owner().map(|person| person.id.clone()));
        self.install_as(client_id, &owner.unwrap_or_default(), user_scopes)
    }

    /// Installs an app on the organization as the given user, without a browser.
    ///
    /// # Errors
    ///
    /// As for [`Sandbox::install`].
    pub fn install_as(
        &self,
        client_id: &str,
        user_id: &str,
        user_scopes: &[&str],
    ) -> Result<TokenPair, OAuthErrorCode> {
        let app = self.app(client_id).ok_or(OAuthErrorCode::InvalidClientId)?;
        let grant = Installation {
            client_id: app.client_id,
            user_id: user_id.to_owned(),
            bot_user_id: None,
            install: InstallTarget::Org,
            user_scopes: user_scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            bot_scopes: Vec::new(),
            rotation: app.rotation,
            public: app.public,
            live: true,
        };
        let now = self.now().unix_timestamp();
        let (_, pairs) = self.change_grants(|grants| grants.install(grant, now));
        pairs.into_iter().next().ok_or(OAuthErrorCode::NoScopes)
    }

    /// Advances the provider's clock: tokens age and rate limits refill.
    pub fn advance_clock(&self, by: Duration) {
        self.0.clock.advance(by);
        let ms = i64::try_from(by.whole_milliseconds()).unwrap_or(i64::MAX);
        self.change_grants(|grants| {
            grants.clock_offset_ms = grants.clock_offset_ms.saturating_add(ms);
        });
        self.0.events.wake();
    }

    /// Regenerates the organization, stops generated changes, and clears logs, faults, rate limit
    /// state and counters. Grants stay, so that linked accounts continue to work; the clock stays,
    /// because token expiry depends on it.
    pub fn reset(&self) {
        self.0.churn.clear();
        let SandboxOptions { seed, users, workspaces, .. } = self.0.options;
        let org = seed::organization(seed, users, workspaces);
        *write(&self.0.org) = org;
        self.change_grants(GrantStore::clear_counts);
        lock(&self.0.request_log).clear();
        lock(&self.0.change_log).clear();
        self.0.events.clear();
        *lock(&self.0.faults) = FaultInjector::new(seed);
        *lock(&self.0.files) = Files::new(seed);
        let mut limits = lock(&self.0.limits);
        limits.set_enabled(self.0.options.enforce_limits);
        limits.clear();
        self.0.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// Enables or disables the rate limits.
    pub fn set_limits(&self, enabled: bool) {
        lock(&self.0.limits).set_enabled(enabled);
    }

    /// Whether the rate limits are enabled.
    #[must_use]
    pub fn limits_enabled(&self) -> bool {
        lock(&self.0.limits).enabled()
    }

    /// Adds a fault and returns its id.
    #[expect(clippy::must_use_candidate, reason = "most callers ignore the id")]
    pub fn add_fault(&self, fault: Fault) -> u64 {
        lock(&self.0.faults).add(fault)
    }

    /// Returns the pending faults.
    #[must_use]
    pub fn faults(&self) -> Vec<FaultStatus> {
        lock(&self.0.faults).list()
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        lock(&self.0.faults).clear();
    }

    /// Returns all recorded requests, or those of one method.
    #[must_use]
    pub fn requests(&self, method: Option<&str>) -> RequestLogView {
        lock(&self.0.request_log).view(method)
    }

    /// Returns every file that was reserved or uploaded since the start or the last reset.
    #[must_use]
    pub fn files(&self) -> Vec<UploadedFile> {
        self.with_files(|files| files.all().cloned().collect())
    }

    pub(super) fn with_files<T>(&self, work: impl FnOnce(&mut Files) -> T) -> T {
        work(&mut lock(&self.0.files))
    }

    pub(super) fn with_grants<T>(&self, look: impl FnOnce(&GrantStore) -> T) -> T {
        look(&read(&self.0.grants))
    }

    /// Changes the grants and saves them to the grants file before it returns.
    pub(super) fn change_grants<T>(&self, change: impl FnOnce(&mut GrantStore) -> T) -> T {
        let mut grants = write(&self.0.grants);
        let result = change(&mut grants);
        if let Some(path) = &self.0.options.grants_file
            && let Err(error) = grants::save(path, &grants)
        {
            tracing::error!(%error, path = %path.display(), "saving the sandbox's grants failed");
        }
        result
    }

    pub(super) fn events(&self) -> &EventDispatcher {
        &self.0.events
    }

    pub(super) fn churn(&self) -> &ChurnController {
        &self.0.churn
    }

    pub(super) fn take_rate_limit(&self, buckets: &[RateBucket]) -> Result<(), Duration> {
        let now = self.now();
        lock(&self.0.limits).try_take(buckets, now)
    }

    pub(super) fn take_fault(&self, method: &str) -> Option<InjectedFault> {
        lock(&self.0.faults).take_matching(method)
    }

    /// Locks a user or a group for a change; `None` while another request holds the lock.
    pub(super) fn lock_resource(&self, id: &str) -> Option<LockGuard> {
        self.0.resource_locks.try_lock(id)
    }

    pub(super) fn record_request(&self, request: RecordedRequest) {
        lock(&self.0.request_log).record(request);
    }

    pub(super) fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::SeqCst)
    }

    /// Returns a new id for the `X-Slack-Req-Id` header.
    pub(super) fn next_request_id(&self) -> String {
        format!("sandbox-{:012x}", self.0.response_count.fetch_add(1, Ordering::Relaxed))
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").field("options", &self.0.options).finish_non_exhaustive()
    }
}
