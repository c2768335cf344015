//! Runs the servers of a demo and links its account.

use std::sync::Arc;

use anyhow::Context as _;
use sqlx::PgPool;
use time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use super::activity::Activity;
use super::browser::ScriptedBrowser;
use super::provider_app::{self, ACTOR};
use super::report::{DemoInfo, Example};
use crate::admin::{Administrator, CreatedKey};
use crate::app::{Gateway, GatewayParts, create_api_key, find_or_create_environment};
use crate::cli::gateway_client::GatewayClient;
use crate::cli::serve::public_url;
use crate::cli::sync;
use crate::config::Config;
use crate::domain::access::Scope;
use crate::domain::account::AccountStatus;
use crate::domain::clock::SystemClock;
use crate::domain::entropy::SystemEntropy;
use crate::domain::ids::{ApiKeyId, EnvironmentId, IntegratedAccountId, SyncRunId};
use crate::domain::provider::Provider;
use crate::expressions::WorkerProgram;
use crate::http::AppState;
use crate::link::LinkRequest;
use crate::sandbox::{self, Sandbox};
use crate::store::{AccountFilter, Store};

/// The name of the demo's environment.
const ENVIRONMENT: &str = "demo";
/// The tenant of the linked account.
const TENANT: &str = "acme";
/// The tenant of the link that is left for a browser.
const NEXT_TENANT: &str = "globex";

/// The parts of a demo.
pub(super) struct Demo {
    pub(super) json: bool,
    /// Whether something happens in the organization.
    pub(super) has_activity: bool,
    pub(super) listener: TcpListener,
    pub(super) provider: TcpListener,
    pub(super) sandbox: Sandbox,
    pub(super) sandbox_url: String,
    pub(super) stop: CancellationToken,
}

impl Demo {
    /// Starts the servers, links the account, prints the information and waits for a shutdown signal.
    pub(super) async fn run(self, config: &Config, pool: PgPool) -> anyhow::Result<()> {
        let store = Store::new(pool.clone());
        store.migrate().await?;
        let base_url = public_url(config, self.listener.local_addr()?)?;
        let gateway = Gateway::build(GatewayParts {
            config,
            pool,
            public_url: base_url.clone(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            worker_program: WorkerProgram::current(),
        })?;
        let state = Arc::clone(&gateway.state);
        let sandbox = self.sandbox.clone();
        let servers = TaskTracker::new();
        let events = self.sandbox.clone().deliver_events(self.stop.clone().cancelled_owned());
        servers.spawn(events);
        let provider = axum::serve(self.provider, sandbox::router(self.sandbox));
        let provider = servers.spawn(provider.into_future());
        let gateway =
            servers.spawn(gateway.serve(self.listener, self.stop.clone().cancelled_owned()));

        // A shutdown closes the servers that the setup calls: it takes precedence over their errors.
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            report = set_up(&state, &store, &base_url, (&sandbox, self.sandbox_url)) => {
                let (report, run) = report?;
                report.print(self.json)?;
                if self.has_activity && let Some(run) = run {
                    let activity = Activity {
                        db: &state.store.tenant(report.environment_id),
                        gateway: GatewayClient::new(base_url, &report.admin_key)?,
                        sandbox: &sandbox,
                        account_id: report.integrated_account_id,
                        run,
                    };
                    tokio::select! {
                        () = self.stop.cancelled() => {}
                        made = activity.make() => made.context("the organization of the demo was not changed")?,
                    }
                }
                self.stop.cancelled().await;
            }
        }
        let served = gateway.await?;
        provider.abort();
        served
    }
}

/// Links the account and collects the information.
async fn set_up(
    state: &AppState,
    store: &Store,
    base_url: &Url,
    (sandbox, sandbox_url): (&Sandbox, String),
) -> anyhow::Result<(DemoInfo, Option<SyncRunId>)> {
    let example = Example::of(sandbox);
    let environment_id =
        find_or_create_environment(store, ENVIRONMENT, &SystemClock, &SystemEntropy).await?;
    let api_key = create_key(state, store, environment_id, "demo", Scope::ACCOUNT).await?;
    let admin_key = create_key(state, store, environment_id, "demo admin", Scope::ALL).await?;
    provider_app::register(state, environment_id).await?;
    provider_app::subscribe_to_events(state, environment_id, sandbox, base_url).await?;
    let integrated_account_id = linked_account(state, environment_id).await?;
    create_policies(state, environment_id).await?;
    let run = request_copy(state, environment_id, integrated_account_id).await?;
    let report = DemoInfo {
        base_url: base_url.as_str().trim_end_matches('/').to_owned(),
        api_key: api_key.secret,
        admin_key: admin_key.secret,
        environment_id,
        integrated_account_id,
        sandbox_url,
        console_url: base_url.join("console")?.into(),
        link_url: create_link(state, environment_id, NEXT_TENANT).await?.into(),
        sign_in_url: sign_in_url(state, base_url, environment_id, admin_key.id).await?,
        example,
    };
    Ok((report, run))
}

/// Returns a one-time link to the console.
async fn sign_in_url(
    state: &AppState,
    base_url: &Url,
    environment_id: EnvironmentId,
    key_id: ApiKeyId,
) -> anyhow::Result<String> {
    let db = &state.store.tenant(environment_id);
    let (clock, entropy) = (&SystemClock, &SystemEntropy);
    let demo = Administrator { db, actor: ACTOR, request_id: None, clock, entropy };
    let token = demo.create_sign_in_link(key_id).await?;
    Ok(base_url.join("console/sign-in/")?.join(token.reveal())?.into())
}

async fn create_key(
    state: &AppState,
    store: &Store,
    environment_id: EnvironmentId,
    name: &str,
    scopes: &[Scope],
) -> anyhow::Result<CreatedKey> {
    let (clock, entropy) = (&SystemClock, &SystemEntropy);
    let issuer = &state.keys;
    Ok(create_api_key(store, environment_id, name, scopes, issuer, clock, entropy).await?)
}

/// Returns the linked account: that of an earlier run, or a new one.
async fn linked_account(
    state: &AppState,
    environment_id: EnvironmentId,
) -> anyhow::Result<IntegratedAccountId> {
    let db = state.store.tenant(environment_id);
    let filter = AccountFilter {
        tenant_id: Some(TENANT.to_owned()),
        provider: Some(Provider::SlackEnterprise),
        status: Some(AccountStatus::Active),
    };
    if let Some(account) = db.accounts(&filter, None, 1).await?.first() {
        return Ok(account.id);
    }
    let url = create_link(state, environment_id, TENANT).await?;
    ScriptedBrowser::new()?.follow(&url).await?;
    let account = db.accounts(&filter, None, 1).await?.into_iter().next();
    account.map(|account| account.id).ok_or_else(|| anyhow::anyhow!("no account was linked"))
}

/// Creates the starter policies, so that there are violations to look at.
async fn create_policies(state: &AppState, environment_id: EnvironmentId) -> anyhow::Result<()> {
    let db = &state.store.tenant(environment_id);
    let (clock, entropy) = (&SystemClock, &SystemEntropy);
    let demo = Administrator { db, actor: ACTOR, request_id: None, clock, entropy };
    demo.create_starter_policies().await?;
    Ok(())
}

/// Enables the sync of the account and requests a run, without waiting for it. Returns the account's first run.
async fn request_copy(
    state: &AppState,
    environment_id: EnvironmentId,
    account_id: IntegratedAccountId,
) -> anyhow::Result<Option<SyncRunId>> {
    let db = state.store.tenant(environment_id);
    let settings = db.sync_settings(account_id).await?.unwrap_or_default();
    if !settings.enabled {
        sync::enable_sync(&db, account_id, ACTOR).await?;
    }
    let resources: Vec<_> = settings.resources.into_iter().collect();
    // A run of an earlier demo may be in progress.
    let run = sync::request(&db, account_id, &resources, ACTOR).await?;
    Ok(run.ok().filter(|_| !settings.enabled))
}

/// Creates a link for a tenant.
async fn create_link(
    state: &AppState,
    environment_id: EnvironmentId,
    tenant_id: &str,
) -> anyhow::Result<Url> {
    let request = LinkRequest {
        tenant_id,
        providers: &[Provider::SlackEnterprise],
        account_id: None,
        redirect_uri: None,
        context: &serde_json::json!({}),
        lifetime: Duration::DAY,
        actor: ACTOR,
        created_by: None,
        request_id: None,
    };
    Ok(state.links.create(environment_id, &request).await?.url)
}
