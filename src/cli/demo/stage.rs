//! What happens in a demo once the database runs.

use std::sync::Arc;

use sqlx::PgPool;
use time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use super::browser::Browser;
use super::report::Report;
use crate::app::{Gateway, Parts, create_api_key, environment};
use crate::cli::serve::public_url;
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
/// Who made them, in the audit log.
const ACTOR: &str = "demo";
/// The customer that is linked.
const TENANT: &str = "acme";
/// The customer for whom a link is left to be tried in a browser.
const NEXT_TENANT: &str = "globex";

/// The scene of a demo.
pub(super) struct Stage {
    pub(super) json: bool,
    pub(super) listener: TcpListener,
    pub(super) provider: TcpListener,
    pub(super) sandbox: Sandbox,
    pub(super) sandbox_url: String,
    pub(super) stop: CancellationToken,
}

impl Stage {
    /// Starts the servers, links the account, tells what to try, and waits for the order to stop.
    pub(super) async fn play(self, config: &Config, pool: PgPool) -> anyhow::Result<()> {
        let store = Store::new(pool.clone());
        store.migrate().await?;
        let base_url = public_url(config, self.listener.local_addr()?)?;
        let gateway = Gateway::build(Parts {
            config,
            pool,
            public_url: base_url.clone(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            worker_program: WorkerProgram::this(),
        })?;
        let state = Arc::clone(&gateway.state);
        let servers = TaskTracker::new();
        let events = self.sandbox.clone().deliver_events(self.stop.clone().cancelled_owned());
        servers.spawn(events);
        let provider = axum::serve(self.provider, sandbox::router(self.sandbox));
        let provider = servers.spawn(provider.into_future());
        let gateway =
            servers.spawn(gateway.serve(self.listener, self.stop.clone().cancelled_owned()));

        // An order to stop closes the servers that setting up talks to: it must win over their
        // refusals.
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            report = set_up(&state, &store, &base_url, self.sandbox_url) => {
                report?.print(self.json)?;
                self.stop.cancelled().await;
            }
        }
        let served = gateway.await?;
        provider.abort();
        served
    }
}

/// Links the account and gathers what there is to try.
async fn set_up(
    state: &AppState,
    store: &Store,
    base_url: &Url,
    sandbox_url: String,
) -> anyhow::Result<Report> {
    let environment_id = environment(store, ENVIRONMENT, &SystemClock, &SystemEntropy).await?;
    let api_key = key(state, store, environment_id, "demo", Scope::ACCOUNT).await?;
    let admin_key = key(state, store, environment_id, "demo admin", Scope::ALL).await?;
    register_app(state, environment_id).await?;
    let integrated_account_id = linked(state, environment_id).await?;
    Ok(Report {
        base_url: base_url.as_str().trim_end_matches('/').to_owned(),
        api_key,
        admin_key,
        environment_id,
        integrated_account_id,
        sandbox_url,
        console_url: base_url.join("console")?.into(),
        link_url: link(state, environment_id, NEXT_TENANT).await?.into(),
    })
}

async fn key(
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

/// Gives the environment the sandbox's own OAuth client.
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

/// The linked account: that of an earlier run, or a new one.
async fn linked(
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
    let url = link(state, environment_id, TENANT).await?;
    Browser::new()?.follow(&url).await?;
    let account = db.accounts(&filter, None, 1).await?.into_iter().next();
    account.map(|account| account.id).ok_or_else(|| anyhow::anyhow!("no account was linked"))
}

/// A new link for a customer.
async fn link(
    state: &AppState,
    environment_id: EnvironmentId,
    tenant_id: &str,
) -> anyhow::Result<Url> {
    let wish = LinkRequest {
        tenant_id,
        providers: &[Provider::SlackEnterprise],
        account_id: None,
        redirect_uri: None,
        context: &serde_json::json!({}),
        lifetime: Duration::DAY,
        actor: ACTOR,
        made_by: None,
        request_id: None,
    };
    Ok(state.links.create(environment_id, &wish).await?.url)
}
