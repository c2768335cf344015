//! The sandbox as a value: a cheap handle on one organization, its grants, limits, faults and
//! journal. The HTTP skin in `api` and tests work through it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use serde::Serialize;
use time::serde::rfc3339;
use time::{Duration, OffsetDateTime};

use super::apps::{App, Apps};
use super::audit::AppFace;
use super::busy::{Busy, Turn};
use super::events::Events;
use super::faults::{Fault, FaultStatus, Faults, Hit};
use super::files::{File, Files};
use super::grants::{self, Grant, Grants, Identity, Install, OAuthError, TokenPair};
use super::history::History;
use super::journal::{Journal, Request, Requests};
use super::limits::{Budget, Limits};
use super::locks::{lock, read, write};
use super::options::{Options, SandboxError};
use super::org::{Actor, Edit, Organization, Recorded};
use super::seed;
use crate::domain::clock::{Clock, ShiftedClock};

/// A handle on a sandbox. Clones share everything.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    options: Options,
    clock: ShiftedClock,
    org: RwLock<Organization>,
    apps: RwLock<Apps>,
    grants: RwLock<Grants>,
    limits: Mutex<Limits>,
    faults: Mutex<Faults>,
    files: Mutex<Files>,
    journal: Mutex<Journal>,
    history: Mutex<History>,
    events: Events,
    busy: Busy,
    /// Cursors of an earlier generation are stale.
    generation: AtomicU64,
    answers: AtomicU64,
}

/// The figures of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct State {
    /// Accounts, bots included.
    pub users: usize,
    /// Those that are not deactivated.
    pub active_users: usize,
    /// Workspaces.
    pub workspaces: usize,
    /// Rows of system roles.
    pub role_assignments: usize,
    /// Groups of the identity provider.
    pub groups: usize,
    /// Access tokens issued since the start or the last reset.
    pub tokens_issued: u64,
    /// Refreshes that succeeded, likewise.
    pub refreshes: u64,
    /// The provider's clock.
    #[serde(with = "rfc3339")]
    pub now: OffsetDateTime,
}

impl Sandbox {
    /// Makes up the organization and takes up the grants of an earlier run, if there are any.
    ///
    /// # Errors
    ///
    /// [`SandboxError::Grants`] when the file of an earlier run cannot be used.
    pub fn new(options: Options, clock: Arc<dyn Clock>) -> Result<Self, SandboxError> {
        let kept = match &options.grants_file {
            None => None,
            Some(path) => grants::load(path)
                .map_err(|source| SandboxError::Grants { path: path.clone(), source })?,
        };
        let grants = kept.unwrap_or_else(|| Grants::new(options.seed));
        let clock = ShiftedClock::new(clock);
        clock.advance(Duration::milliseconds(grants.clock_offset_ms));
        Ok(Self(Arc::new(Inner {
            org: RwLock::new(seed::organization(options.seed, options.users, options.workspaces)),
            apps: RwLock::new(Apps::new()),
            grants: RwLock::new(grants),
            limits: Mutex::new(Limits::new(options.enforce_limits, options.time_scale)),
            faults: Mutex::new(Faults::new(options.seed)),
            files: Mutex::new(Files::new(options.seed)),
            journal: Mutex::new(Journal::default()),
            history: Mutex::new(History::default()),
            events: Events::default(),
            busy: Busy::default(),
            generation: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            clock,
            options,
        })))
    }

    /// How it was set up.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// The provider's clock.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        self.0.clock.now()
    }

    /// Looks at the organization.
    pub fn with_org<T>(&self, look: impl FnOnce(&Organization) -> T) -> T {
        look(&read(&self.0.org))
    }

    /// Changes the organization under its rules, and writes down what happened.
    pub fn change_org<T>(&self, actor: Actor, change: impl FnOnce(&mut Edit<'_>) -> T) -> T {
        self.change_org_through(actor, None, change)
    }

    /// The same in the name of a token's user, through the token's app.
    pub(super) fn change_org_as<T>(
        &self,
        caller: &Identity,
        change: impl FnOnce(&mut Edit<'_>) -> T,
    ) -> T {
        let found = self.with_org(|org| org.find(&caller.user_id).map(|(index, _)| index));
        let app = self.app(&caller.client_id).map(|app| AppFace::of(&app, caller));
        self.change_org_through(found.map_or(Actor::Provider, Actor::Person), app, change)
    }

    fn change_org_through<T>(
        &self,
        actor: Actor,
        app: Option<AppFace>,
        change: impl FnOnce(&mut Edit<'_>) -> T,
    ) -> T {
        let now = self.now().unix_timestamp();
        let mut org = write(&self.0.org);
        let mut edit = Edit::new(&mut org, actor, now);
        let result = change(&mut edit);
        let changes = edit.finish();
        if !changes.is_empty() {
            self.announce(&org, &changes);
            lock(&self.0.history).record(&org, changes, app.map(Arc::new).as_ref());
        }
        result
    }

    /// What happened in the organization since the start or the last reset, oldest first.
    #[must_use]
    pub fn changes(&self) -> Vec<Recorded> {
        lock(&self.0.history).changes()
    }

    /// Looks at what happened, or adds to it.
    pub(super) fn with_history<T>(&self, look: impl FnOnce(&mut History) -> T) -> T {
        look(&mut lock(&self.0.history))
    }

    /// Lets what time brings come about: guests whose stay has ended are switched off.
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method alone has one lifetime"
    )]
    pub(super) fn settle(&self) {
        let now = self.now().unix_timestamp();
        if self.with_org(|org| org.has_stays_until(now)) {
            self.change_org(Actor::Provider, |edit| edit.end_stays());
        }
    }

    /// A copy of the organization as it stands.
    #[must_use]
    pub fn snapshot(&self) -> Organization {
        self.with_org(Organization::clone)
    }

    /// The figures.
    #[must_use]
    pub fn state(&self) -> State {
        let (tokens_issued, refreshes) =
            self.with_grants(|grants| (grants.tokens_issued, grants.refreshes));
        self.with_org(|org| State {
            users: org.people().len(),
            active_users: org.people().iter().filter(|person| person.is_active()).count(),
            workspaces: org.workspaces.len(),
            role_assignments: org.roles.len(),
            groups: org.groups.of_identity_provider().count(),
            tokens_issued,
            refreshes,
            now: self.now(),
        })
    }

    /// Makes an app known, in place of an older one with the same client id.
    pub fn register_app(&self, app: App) {
        write(&self.0.apps).register(app);
    }

    /// The app with a client id.
    #[must_use]
    pub fn app(&self, client_id: &str) -> Option<App> {
        read(&self.0.apps).get(client_id)
    }

    /// The apps that are known.
    #[must_use]
    pub fn apps(&self) -> Vec<App> {
        read(&self.0.apps).all().cloned().collect()
    }

    /// Installs an app on the organization as its primary owner, without a browser.
    ///
    /// # Errors
    ///
    /// [`OAuthError::InvalidClientId`] for an app that nobody registered, [`OAuthError::NoScopes`]
    /// without scopes.
    pub fn install(&self, client_id: &str, user_scopes: &[&str]) -> Result<TokenPair, OAuthError> {
        let owner = self.with_org(|org| org.primary_owner().map(|person| person.id.clone()));
        self.install_as(client_id, &owner.unwrap_or_default(), user_scopes)
    }

    /// Installs an app on the organization as somebody, without a browser.
    ///
    /// # Errors
    ///
    /// As for [`Sandbox::install`].
    pub fn install_as(
        &self,
        client_id: &str,
        user_id: &str,
        user_scopes: &[&str],
    ) -> Result<TokenPair, OAuthError> {
        let app = self.app(client_id).ok_or(OAuthError::InvalidClientId)?;
        let grant = Grant {
            client_id: app.client_id,
            user_id: user_id.to_owned(),
            bot_user_id: None,
            install: Install::Org,
            user_scopes: user_scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            bot_scopes: Vec::new(),
            rotation: app.rotation,
            public: app.public,
            live: true,
        };
        let now = self.now().unix_timestamp();
        let (_, pairs) = self.change_grants(|grants| grants.install(grant, now));
        pairs.into_iter().next().ok_or(OAuthError::NoScopes)
    }

    /// Moves the provider's clock: tokens age and limits refill.
    pub fn advance_clock(&self, by: Duration) {
        self.0.clock.advance(by);
        let ms = i64::try_from(by.whole_milliseconds()).unwrap_or(i64::MAX);
        self.change_grants(|grants| {
            grants.clock_offset_ms = grants.clock_offset_ms.saturating_add(ms);
        });
        self.0.events.wake();
    }

    /// Makes the organization anew and forgets journal, faults, debts and counts. Grants stay, so
    /// that accounts linked before go on working; so does the clock, which their tokens go by.
    pub fn reset(&self) {
        let Options { seed, users, workspaces, .. } = self.0.options;
        let org = seed::organization(seed, users, workspaces);
        *write(&self.0.org) = org;
        self.change_grants(Grants::clear_counts);
        lock(&self.0.journal).clear();
        lock(&self.0.history).clear();
        self.0.events.clear();
        *lock(&self.0.faults) = Faults::new(seed);
        *lock(&self.0.files) = Files::new(seed);
        let mut limits = lock(&self.0.limits);
        limits.set_enabled(self.0.options.enforce_limits);
        limits.refill();
        self.0.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// Switches the limits on or off.
    pub fn set_limits(&self, enabled: bool) {
        lock(&self.0.limits).set_enabled(enabled);
    }

    /// Whether the limits are on.
    #[must_use]
    pub fn limits_enabled(&self) -> bool {
        lock(&self.0.limits).enabled()
    }

    /// Adds a fault and says its number.
    #[expect(clippy::must_use_candidate, reason = "the fault is what matters")]
    pub fn add_fault(&self, fault: Fault) -> u64 {
        lock(&self.0.faults).add(fault)
    }

    /// The faults that wait for a call.
    #[must_use]
    pub fn faults(&self) -> Vec<FaultStatus> {
        lock(&self.0.faults).list()
    }

    /// Drops all faults.
    pub fn clear_faults(&self) {
        lock(&self.0.faults).clear();
    }

    /// The calls so far, or those of one method.
    #[must_use]
    pub fn requests(&self, method: Option<&str>) -> Requests {
        lock(&self.0.journal).view(method)
    }

    /// Every file that was uploaded, or promised to be, since the start or the last reset.
    #[must_use]
    pub fn files(&self) -> Vec<File> {
        self.with_files(|files| files.all().cloned().collect())
    }

    pub(super) fn with_files<T>(&self, work: impl FnOnce(&mut Files) -> T) -> T {
        work(&mut lock(&self.0.files))
    }

    pub(super) fn with_grants<T>(&self, look: impl FnOnce(&Grants) -> T) -> T {
        look(&read(&self.0.grants))
    }

    /// Changes the grants and writes them to their file before anybody hears of it.
    pub(super) fn change_grants<T>(&self, change: impl FnOnce(&mut Grants) -> T) -> T {
        let mut grants = write(&self.0.grants);
        let result = change(&mut grants);
        if let Some(path) = &self.0.options.grants_file
            && let Err(error) = grants::save(path, &grants)
        {
            tracing::error!(%error, path = %path.display(), "the sandbox's grants are not saved");
        }
        result
    }

    pub(super) fn events(&self) -> &Events {
        &self.0.events
    }

    pub(super) fn take(&self, budgets: &[Budget]) -> Result<(), Duration> {
        let now = self.now();
        lock(&self.0.limits).take(budgets, now)
    }

    pub(super) fn meet_fault(&self, method: &str) -> Option<Hit> {
        lock(&self.0.faults).meet(method)
    }

    /// Begins to change a user or a group; none while somebody else does.
    pub(super) fn begin_change(&self, id: &str) -> Option<Turn> {
        self.0.busy.begin(id)
    }

    pub(super) fn record(&self, request: Request) {
        lock(&self.0.journal).record(request);
    }

    pub(super) fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::SeqCst)
    }

    /// A new id for the `X-Slack-Req-Id` header.
    pub(super) fn next_request_id(&self) -> String {
        format!("sandbox-{:012x}", self.0.answers.fetch_add(1, Ordering::Relaxed))
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").field("options", &self.0.options).finish_non_exhaustive()
    }
}
