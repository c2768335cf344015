//! Runs the servers of a demo and links its account.

use std::sync::Arc;

use sqlx::PgPool;
use time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use super::browser::ScriptedBrowser;
use super::report::{DemoInfo, Example};
use crate::app::{Gateway, GatewayParts, create_api_key, find_or_create_environment};
use crate::cli::serve::public_url;
use crate::cli::sync;
use crate::config::Config;
use crate::connectors::OAuthLink;
use crate::domain::access::Scope;
use crate::domain::account::AccountStatus;
use crate::domain::clock::{Clock as _, SystemClock};
use crate::domain::entropy::SystemEntropy;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, ProviderAppId};
use crate::domain::provider::Provider;
use crate::expressions::WorkerProgram;
use crate::http::AppState;
use crate::link::LinkRequest;
use crate::sandbox::{self, DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, Sandbox};
use crate::store::{AccountFilter, AuditEntry, NewProviderApp, ProviderApp, Store};
use crate::vault::secret::ClientSecret;

/// The name of the demo's environment.
const ENVIRONMENT: &str = "demo";
/// The actor in the audit log.
const ACTOR: &str = "demo";
/// The tenant of the linked account.
const TENANT: &str = "acme";
/// The tenant of the link that is left for a browser.
const NEXT_TENANT: &str = "globex";

/// The parts of a demo.
pub(super) struct Demo {
    pub(super) json: bool,
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
        let example = Example::of(&self.sandbox);
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
            report = set_up(&state, &store, &base_url, self.sandbox_url, example) => {
                report?.print(self.json)?;
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
    sandbox_url: String,
    example: Example,
) -> anyhow::Result<DemoInfo> {
    let environment_id =
        find_or_create_environment(store, ENVIRONMENT, &SystemClock, &SystemEntropy).await?;
    let api_key = create_key(state, store, environment_id, "demo", Scope::ACCOUNT).await?;
    let admin_key = create_key(state, store, environment_id, "demo admin", Scope::ALL).await?;
    register_app(state, environment_id).await?;
    let integrated_account_id = linked_account(state, environment_id).await?;
    request_copy(state, environment_id, integrated_account_id).await?;
    Ok(DemoInfo {
        base_url: base_url.as_str().trim_end_matches('/').to_owned(),
        api_key,
        admin_key,
        environment_id,
        integrated_account_id,
        sandbox_url,
        console_url: base_url.join("console")?.into(),
        link_url: create_link(state, environment_id, NEXT_TENANT).await?.into(),
        example,
    })
}

async fn create_key(
    state: &AppState,
    store: &Store,
    environment_id: EnvironmentId,
    name: &str,
    scopes: &[Scope],
) -> anyhow::Result<crate::vault::IssuedSecret> {
    let (clock, entropy) = (&SystemClock, &SystemEntropy);
    let issuer = &state.keys;
    Ok(create_api_key(store, environment_id, name, scopes, issuer, clock, entropy).await?.secret)
}

/// Creates a provider app for the sandbox's OAuth client.
async fn register_app(state: &AppState, environment_id: EnvironmentId) -> anyhow::Result<()> {
    let db = state.store.tenant(environment_id);
    let provider = Provider::SlackEnterprise;
    if db.provider_app_for(provider).await?.is_some() {
        return Ok(());
    }
    let id = ProviderAppId::generate(&SystemClock, &SystemEntropy);
    let secret = ClientSecret::from(DEFAULT_CLIENT_SECRET.to_owned());
    let sealed = state.vault.seal_app(environment_id, id, &secret, None)?;
    let link = state.registry.connector(provider).linking().oauth();
    let scopes = link.map(OAuthLink::default_scopes).unwrap_or_default();
    let app = ProviderApp {
        id,
        provider,
        client_id: DEFAULT_CLIENT_ID.to_owned(),
        data_key: sealed.data_key,
        client_secret: sealed.client_secret,
        signing_secret: sealed.signing_secret,
        scopes: scopes.iter().map(ToString::to_string).collect(),
        pkce: false,
        updated_at: SystemClock.now(),
    };
    let subject = id.to_string();
    let entry = AuditEntry {
        subject: Some(&subject),
        ..AuditEntry::new("provider_app.created", ACTOR, &SystemClock, &SystemEntropy)
    };
    db.insert_provider_app(&NewProviderApp { app: &app, now: app.updated_at }, &entry).await?;
    Ok(())
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

/// Enables the sync of the account and requests a run, without waiting for it.
async fn request_copy(
    state: &AppState,
    environment_id: EnvironmentId,
    account_id: IntegratedAccountId,
) -> anyhow::Result<()> {
    let db = state.store.tenant(environment_id);
    let settings = db.sync_settings(account_id).await?.unwrap_or_default();
    if !settings.enabled {
        sync::enable_sync(&db, account_id, ACTOR).await?;
    }
    let resources: Vec<_> = settings.resources.into_iter().collect();
    // A run of an earlier demo may be in progress.
    sync::request(&db, account_id, &resources, ACTOR).await.map(drop)
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
