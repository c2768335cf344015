//! A complete Switchboard for one test: a sandbox and a gateway, each on a listener of its own, with the
//! test's own database. The gateway's clock stands still until the test advances it; the provider's
//! clock runs and is advanced with [`Sandbox::advance_clock`].

mod browser;
mod client;
mod closed_port;
pub(crate) mod expected_values;
mod fault_proxy;
mod pgbouncer;
pub(crate) mod plain_words;
mod redis;
mod redis_cluster;
pub(crate) mod scim_server;
mod slack;
pub(crate) mod source_files;
mod stalling_proxy;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use base64::Engine as _;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::app::{self, Gateway, GatewayParts};
use switchboard::config::Config;
use switchboard::domain::access::Scope;
use switchboard::domain::clock::{Clock, ManualClock, SystemClock};
use switchboard::domain::entropy::SeededEntropy;
use switchboard::domain::ids::EnvironmentId;
use switchboard::expressions::WorkerProgram;
use switchboard::http::AppState;
use switchboard::jobs::JobWorker;
use switchboard::policies::PolicyWorker;
use switchboard::reconcile::RuleSetWorker;
use switchboard::sandbox::{
    self, DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, DEFAULT_SIGNING_SECRET, Sandbox, SandboxOptions,
};
use switchboard::sync::Worker;
use switchboard::webhooks::WebhookSender;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;
use url::Url;

pub(crate) use self::browser::Browser;
pub(crate) use self::client::{ApiResponse, Client};
pub(crate) use self::closed_port::ClosedPort;
pub(crate) use self::fault_proxy::{FaultProxy, Rewrite, Script};
pub(crate) use self::pgbouncer::PgBouncer;
pub(crate) use self::redis::RedisServer;
pub(crate) use self::redis_cluster::RedisCluster;
pub(crate) use self::slack::{hex, slack_signature};
pub(crate) use self::stalling_proxy::{ProxyTarget, StallingProxy};

/// Multiple of Slack's rates on both sides: no test waits for a permit.
const TIME_SCALE: f64 = 10_000.0;

/// No two gateways of a test run generate the same ids.
static SEED: AtomicU64 = AtomicU64::new(1);

/// Removes everything from a test's database, which may be a copy of one with the migrations.
pub(crate) async fn remove_migrations(pool: &PgPool) -> sqlx::Result<()> {
    let statements = "DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION pg_database_owner; \
                      GRANT USAGE ON SCHEMA public TO PUBLIC";
    sqlx::raw_sql(statements).execute(pool).await?;
    Ok(())
}

/// Options of a test.
pub(crate) struct Setup {
    /// Options of the organization and its provider.
    pub(crate) sandbox: SandboxOptions,
    /// Settings of the gateway.
    pub(crate) config: Config,
    /// Clock that the provider's is based on.
    pub(crate) provider_clock: Arc<dyn Clock>,
    /// The gateway's clock, in place of one that stands still.
    pub(crate) gateway_clock: Option<Arc<dyn Clock>>,
    /// Name of the first environment.
    pub(crate) home: String,
}

/// An environment of a gateway.
pub(crate) struct Tenant {
    /// Its id.
    pub(crate) environment_id: EnvironmentId,
    /// Client with the scopes read, write and proxy.
    pub(crate) api: Client,
    /// Client with all scopes.
    pub(crate) admin: Client,
}

/// A sandbox, a gateway, and an environment with the sandbox's OAuth client.
pub(crate) struct TestApp {
    /// The provider.
    pub(crate) sandbox: Sandbox,
    /// The gateway's clock.
    pub(crate) clock: ManualClock,
    /// The gateway's services.
    pub(crate) state: AppState,
    /// Requests runs of the sync, and follows changes between them.
    pub(crate) worker: Arc<Worker>,
    /// Works on background jobs.
    pub(crate) jobs: Arc<JobWorker>,
    /// The gateway's worker of policies.
    pub(crate) policies: Arc<PolicyWorker>,
    /// The gateway's worker of automatic rule sets.
    pub(crate) rule_sets: Arc<RuleSetWorker>,
    /// The gateway's sender of webhooks.
    pub(crate) webhooks: Arc<WebhookSender>,
    /// The database.
    pub(crate) pool: PgPool,
    /// URL of the gateway.
    pub(crate) base_url: Url,
    /// The gateway's settings.
    pub(crate) config: Config,
    /// The first environment.
    pub(crate) home: Tenant,
    entropy: Arc<SeededEntropy>,
}

impl TestApp {
    /// Starts one with default settings: 200 users in 5 workspaces.
    pub(crate) async fn new(pool: PgPool) -> anyhow::Result<Self> {
        Self::with(pool, |_| {}).await
    }

    /// Starts one with settings changed by `change`.
    pub(crate) async fn with(
        pool: PgPool,
        change: impl FnOnce(&mut Setup),
    ) -> anyhow::Result<Self> {
        let provider = TcpListener::bind(("127.0.0.1", 0)).await?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let sandbox_url = format!("http://{}", provider.local_addr()?);
        let base_url = Url::parse(&format!("http://{}/", listener.local_addr()?))?;
        let mut setup = default_setup(&sandbox_url)?;
        change(&mut setup);

        let sandbox = Sandbox::new(setup.sandbox, setup.provider_clock)?;
        let clock = ManualClock::at(SystemClock.now());
        let entropy = Arc::new(SeededEntropy::new(SEED.fetch_add(1, Ordering::Relaxed)));
        let public_url = match setup.config.server.public_url.as_str() {
            "" => base_url.clone(),
            elsewhere => Url::parse(elsewhere)?,
        };
        let gateway = Gateway::build(GatewayParts {
            config: &setup.config,
            pool: pool.clone(),
            public_url,
            clock: setup.gateway_clock.unwrap_or_else(|| Arc::new(clock.clone())),
            entropy: entropy.clone(),
            worker_program: worker_program(),
        })?;
        let servers = TaskTracker::new();
        servers.spawn(sandbox.clone().deliver_events(std::future::pending()));
        servers.spawn(axum::serve(provider, sandbox::router(sandbox.clone())).into_future());
        let state = Arc::clone(&gateway.state);
        let worker = Arc::new(gateway.workers.sync.clone());
        let jobs = Arc::new(gateway.workers.jobs.clone());
        let policies = Arc::new(gateway.workers.policies.clone());
        let rule_sets = Arc::new(gateway.workers.rule_sets.clone());
        let webhooks = Arc::new(gateway.webhooks.clone());
        servers.spawn(gateway.serve_on_current_runtime(listener));

        let anonymous = Client::new(base_url.clone())?;
        let home = Tenant {
            environment_id: app::find_or_create_environment(
                &state.store,
                &setup.home,
                &clock,
                &*entropy,
            )
            .await?,
            api: anonymous.clone(),
            admin: anonymous,
        };
        let config = setup.config;
        let mut test = Self {
            sandbox,
            clock,
            state,
            worker,
            jobs,
            policies,
            rule_sets,
            webhooks,
            pool,
            base_url,
            config,
            home,
            entropy,
        };
        test.home = test.tenant(&setup.home).await?;
        Ok(test)
    }

    /// Starts another gateway with these settings on the same database and clock; returns its URL and its services.
    pub(crate) async fn second_gateway(&self, config: &Config) -> anyhow::Result<(Url, AppState)> {
        self.second_gateway_on(self.pool.clone(), config).await
    }

    /// Starts another gateway with its own database connections.
    pub(crate) async fn second_gateway_on(
        &self,
        pool: PgPool,
        config: &Config,
    ) -> anyhow::Result<(Url, AppState)> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let base_url = Url::parse(&format!("http://{}/", listener.local_addr()?))?;
        let gateway = Gateway::build(GatewayParts {
            config,
            pool,
            public_url: base_url.clone(),
            clock: Arc::clone(&self.state.clock),
            entropy: Arc::new(SeededEntropy::new(SEED.fetch_add(1, Ordering::Relaxed))),
            worker_program: worker_program(),
        })?;
        let state = Arc::clone(&gateway.state);
        TaskTracker::new().spawn(gateway.serve_on_current_runtime(listener));
        Ok((base_url, state))
    }

    /// Starts another gateway that reaches its provider through a [`FaultProxy`]; `change` changes its settings.
    pub(crate) async fn through_fault_proxy(
        &self,
        change: impl FnOnce(&mut Config),
    ) -> anyhow::Result<(Url, FaultProxy)> {
        let fault_proxy = FaultProxy::start(&self.config.slack_enterprise.api_url).await?;
        let mut config = self.config.clone();
        config.slack_enterprise.web_url.clone_from(&fault_proxy.url);
        config.slack_enterprise.api_url.clone_from(&fault_proxy.url);
        change(&mut config);
        Ok((self.second_gateway(&config).await?.0, fault_proxy))
    }

    /// Returns a worker of another gateway that reaches its provider through a [`FaultProxy`].
    pub(crate) async fn worker_through_fault_proxy(
        &self,
    ) -> anyhow::Result<(JobWorker, FaultProxy)> {
        let fault_proxy = FaultProxy::start(&self.config.slack_enterprise.api_url).await?;
        let mut config = self.config.clone();
        config.slack_enterprise.web_url.clone_from(&fault_proxy.url);
        config.slack_enterprise.api_url.clone_from(&fault_proxy.url);
        let (_, state) = self.second_gateway(&config).await?;
        let worker = app::job_worker(&state.policies, "proxied".to_owned(), config.sync.lease());
        Ok((worker, fault_proxy))
    }

    /// Creates or opens the environment of that name, with new keys and the sandbox's OAuth client.
    pub(crate) async fn tenant(&self, name: &str) -> anyhow::Result<Tenant> {
        let environment_id =
            app::find_or_create_environment(&self.state.store, name, &self.clock, &*self.entropy)
                .await?;
        let api = self.client(environment_id, Scope::ACCOUNT).await?;
        let admin = self.client(environment_id, Scope::ALL).await?;
        let client = json!({"provider": "slack_enterprise", "client_id": DEFAULT_CLIENT_ID,
            "client_secret": DEFAULT_CLIENT_SECRET, "signing_secret": DEFAULT_SIGNING_SECRET});
        admin.post("provider-apps", &client).await?.created()?;
        Ok(Tenant { environment_id, api, admin })
    }

    /// Returns a client with a new key of an environment with these scopes.
    pub(crate) async fn client(
        &self,
        environment_id: EnvironmentId,
        scopes: &[Scope],
    ) -> anyhow::Result<Client> {
        let (store, clock, entropy) = (&self.state.store, &self.clock, &*self.entropy);
        let issuer = &self.state.keys;
        let key =
            app::create_api_key(store, environment_id, "test", scopes, issuer, clock, entropy)
                .await?;
        Client::new(self.base_url.clone())?.with("authorization", &bearer(key.secret.reveal()))
    }

    /// Returns a client without a key.
    pub(crate) fn anonymous(&self) -> anyhow::Result<Client> {
        Client::new(self.base_url.clone())
    }

    /// Links a tenant's organization through the whole OAuth flow; returns the account's id.
    pub(crate) async fn link(&self, tenant_id: &str) -> anyhow::Result<String> {
        self.link_in(&self.home, tenant_id).await
    }

    /// Links it in another environment.
    pub(crate) async fn link_in(&self, home: &Tenant, tenant_id: &str) -> anyhow::Result<String> {
        let url = link_url(home, &json!({"tenant_id": tenant_id})).await?;
        let end = Browser::new()?.complete_link(&url).await?;
        assert_eq!(end.status, 200, "{}", end.text);
        let path = format!("integrated-accounts?tenant_id={tenant_id}&status=active");
        let accounts = home.api.get(&path).await?.success()?;
        let account = accounts.pointer("/result/0/id").and_then(Value::as_str);
        Ok(account.context("no account was linked")?.to_owned())
    }

    /// Links the same account again, as a customer does after it was revoked.
    pub(crate) async fn relink(&self, tenant_id: &str, account: &str) -> anyhow::Result<()> {
        let body = json!({"tenant_id": tenant_id, "integrated_account_id": account});
        let end = Browser::new()?.complete_link(&link_url(&self.home, &body).await?).await?;
        assert_eq!(end.status, 200, "{}", end.text);
        Ok(())
    }

    /// Uninstalls the app from an account's organization at the provider, which revokes its tokens.
    pub(crate) async fn uninstall(&self, account: &str) -> anyhow::Result<()> {
        let form = format!("client_id={DEFAULT_CLIENT_ID}&client_secret={DEFAULT_CLIENT_SECRET}");
        let form = Some(("application/x-www-form-urlencoded", form.as_str()));
        let removed =
            self.client_for(account)?.send(Method::POST, "proxy/api/apps.uninstall", form).await?;
        assert_eq!(removed.success()?, json!({"ok": true}));
        Ok(())
    }

    /// Links a tenant; returns a client of its account.
    pub(crate) async fn linked_client(&self) -> anyhow::Result<Client> {
        let account = self.link("acme").await?;
        self.client_for(&account)
    }

    /// Returns the first environment's client with an account in the header.
    pub(crate) fn client_for(&self, account: &str) -> anyhow::Result<Client> {
        self.home.api.clone().with("x-integrated-account-id", account)
    }

    /// Returns how often the provider's method was called.
    pub(crate) fn calls(&self, method: &str) -> u64 {
        self.sandbox.requests(Some(method)).counts.get(method).copied().unwrap_or_default()
    }
}

/// Returns the page of a new link token from this body.
pub(crate) async fn link_url(home: &Tenant, body: &Value) -> anyhow::Result<Url> {
    let link = home.api.post("link-tokens", body).await?.created()?;
    let url = link.pointer("/result/link_url").and_then(Value::as_str).context("no link_url")?;
    Ok(Url::parse(url)?)
}

/// Returns the program for workers, which is not the test binary.
pub(crate) fn worker_program() -> WorkerProgram {
    WorkerProgram::at(env!("CARGO_BIN_EXE_switchboard"))
}

/// Returns the `Authorization` value of a key.
pub(crate) fn bearer(key: &str) -> String {
    format!("Bearer {key}")
}

fn default_setup(sandbox_url: &str) -> anyhow::Result<Setup> {
    let mut config = Config::load(None)?;
    let master_key = base64::engine::general_purpose::STANDARD.encode([7; 32]);
    config.vault.keys = format!("test:{master_key}");
    // Some tests try every route with invalid keys.
    config.server.failed_auth_per_minute = 0;
    config.limits.time_scale = TIME_SCALE;
    // The database of a busy machine is slow, and not unavailable.
    (config.database.acquire_timeout_s, config.database.statement_timeout_s) = (60.0, 60.0);
    sandbox_url.clone_into(&mut config.slack_enterprise.web_url);
    sandbox_url.clone_into(&mut config.slack_enterprise.api_url);
    let base_url = Some(sandbox_url.to_owned());
    let sandbox = SandboxOptions { time_scale: TIME_SCALE, base_url, ..SandboxOptions::default() };
    let provider_clock = Arc::new(SystemClock);
    let (gateway_clock, home) = (None, "home".to_owned());
    Ok(Setup { sandbox, config, provider_clock, gateway_clock, home })
}
