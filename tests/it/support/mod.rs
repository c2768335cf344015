//! A whole Switchboard for one test: a sandbox and a gateway, each on a listener of its own, over the
//! test's own database. The gateway's clock stands still until the test moves it; the provider's
//! clock runs and is moved with [`Sandbox::advance_clock`].

mod browser;
mod client;
mod closed;
mod middleman;
mod pgbouncer;
mod redis;
mod redis_cluster;
mod silence;
mod slack;
pub(crate) mod truth;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use base64::Engine as _;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::app::{self, Gateway, Parts};
use switchboard::config::Config;
use switchboard::domain::access::Scope;
use switchboard::domain::clock::{Clock, ManualClock, SystemClock};
use switchboard::domain::entropy::SeededEntropy;
use switchboard::domain::ids::EnvironmentId;
use switchboard::expressions::WorkerProgram;
use switchboard::http::AppState;
use switchboard::sandbox::{
    self, DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, DEFAULT_SIGNING_SECRET, Options, Sandbox,
};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;
use url::Url;

pub(crate) use self::browser::Browser;
pub(crate) use self::client::{Answer, Client};
pub(crate) use self::closed::ClosedPort;
pub(crate) use self::middleman::{Change, Middleman, Script};
pub(crate) use self::pgbouncer::PgBouncer;
pub(crate) use self::redis::RedisServer;
pub(crate) use self::redis_cluster::RedisCluster;
pub(crate) use self::silence::{Far, Line};
pub(crate) use self::slack::{hex, slack_signature};

/// So many times as fast as Slack's do limits refill, on both sides: no test waits for a turn.
const FAST: f64 = 10_000.0;

/// No two gateways of a test run draw the same ids.
static SEED: AtomicU64 = AtomicU64::new(1);

/// What can be different from test to test.
pub(crate) struct Setup {
    /// The organization and its provider.
    pub(crate) sandbox: Options,
    /// The gateway.
    pub(crate) config: Config,
    /// The clock that the provider's is moved from.
    pub(crate) provider_clock: Arc<dyn Clock>,
    /// The name of the first environment.
    pub(crate) home: String,
}

/// One environment of a gateway.
pub(crate) struct Tenant {
    /// Its id.
    pub(crate) environment_id: EnvironmentId,
    /// May read, write and pass raw calls.
    pub(crate) api: Client,
    /// May do everything.
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
    /// The database.
    pub(crate) pool: PgPool,
    /// Where the gateway is.
    pub(crate) base_url: Url,
    /// The gateway's settings.
    pub(crate) config: Config,
    /// The first environment.
    pub(crate) home: Tenant,
    entropy: Arc<SeededEntropy>,
}

impl TestApp {
    /// One with the usual settings: 200 people in 5 workspaces.
    pub(crate) async fn new(pool: PgPool) -> anyhow::Result<Self> {
        Self::with(pool, |_| {}).await
    }

    /// One whose settings `change` changed.
    pub(crate) async fn with(
        pool: PgPool,
        change: impl FnOnce(&mut Setup),
    ) -> anyhow::Result<Self> {
        let provider = TcpListener::bind(("127.0.0.1", 0)).await?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let sandbox_url = format!("http://{}", provider.local_addr()?);
        let base_url = Url::parse(&format!("http://{}/", listener.local_addr()?))?;
        let mut setup = usual(&sandbox_url)?;
        change(&mut setup);

        let sandbox = Sandbox::new(setup.sandbox, setup.provider_clock)?;
        let clock = ManualClock::at(SystemClock.now());
        let entropy = Arc::new(SeededEntropy::new(SEED.fetch_add(1, Ordering::Relaxed)));
        let public_url = match setup.config.server.public_url.as_str() {
            "" => base_url.clone(),
            elsewhere => Url::parse(elsewhere)?,
        };
        let gateway = Gateway::build(Parts {
            config: &setup.config,
            pool: pool.clone(),
            public_url,
            clock: Arc::new(clock.clone()),
            entropy: entropy.clone(),
            worker_program: worker_program(),
        })?;
        let servers = TaskTracker::new();
        servers.spawn(sandbox.clone().deliver_events(std::future::pending()));
        servers.spawn(axum::serve(provider, sandbox::router(sandbox.clone())).into_future());
        let state = Arc::clone(&gateway.state);
        servers.spawn(gateway.attend(listener));

        let nobody = Client::new(base_url.clone())?;
        let home = Tenant {
            environment_id: app::environment(&state.store, &setup.home, &clock, &*entropy).await?,
            api: nobody.clone(),
            admin: nobody,
        };
        let config = setup.config;
        let mut test = Self { sandbox, clock, state, pool, base_url, config, home, entropy };
        test.home = test.tenant(&setup.home).await?;
        Ok(test)
    }

    /// Another gateway with these settings, on the same database and clock: its address and its services.
    pub(crate) async fn beside(&self, config: &Config) -> anyhow::Result<(Url, AppState)> {
        self.beside_over(self.pool.clone(), config).await
    }

    /// The same over other connections to the database.
    pub(crate) async fn beside_over(
        &self,
        pool: PgPool,
        config: &Config,
    ) -> anyhow::Result<(Url, AppState)> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let base_url = Url::parse(&format!("http://{}/", listener.local_addr()?))?;
        let gateway = Gateway::build(Parts {
            config,
            pool,
            public_url: base_url.clone(),
            clock: Arc::clone(&self.state.clock),
            entropy: Arc::new(SeededEntropy::new(SEED.fetch_add(1, Ordering::Relaxed))),
            worker_program: worker_program(),
        })?;
        let state = Arc::clone(&gateway.state);
        TaskTracker::new().spawn(gateway.attend(listener));
        Ok((base_url, state))
    }

    /// A gateway beside this one whose provider is reached through a [`Middleman`]; `change` changes its settings.
    pub(crate) async fn through_middleman(
        &self,
        change: impl FnOnce(&mut Config),
    ) -> anyhow::Result<(Url, Middleman)> {
        let middleman = Middleman::start(&self.config.slack_enterprise.api_url).await?;
        let mut config = self.config.clone();
        config.slack_enterprise.web_url.clone_from(&middleman.url);
        config.slack_enterprise.api_url.clone_from(&middleman.url);
        change(&mut config);
        Ok((self.beside(&config).await?.0, middleman))
    }

    /// The environment of that name with new keys and the sandbox's OAuth client.
    pub(crate) async fn tenant(&self, name: &str) -> anyhow::Result<Tenant> {
        let environment_id =
            app::environment(&self.state.store, name, &self.clock, &*self.entropy).await?;
        let api = self.client(environment_id, Scope::ACCOUNT).await?;
        let admin = self.client(environment_id, Scope::ALL).await?;
        let client = json!({"provider": "slack_enterprise", "client_id": DEFAULT_CLIENT_ID,
            "client_secret": DEFAULT_CLIENT_SECRET, "signing_secret": DEFAULT_SIGNING_SECRET});
        admin.post("provider-apps", &client).await?.created()?;
        Ok(Tenant { environment_id, api, admin })
    }

    /// A client with a new key of an environment that has these scopes.
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

    /// A client without a key.
    pub(crate) fn nobody(&self) -> anyhow::Result<Client> {
        Client::new(self.base_url.clone())
    }

    /// Links a tenant's organization through the whole OAuth flow; gives the account's id.
    pub(crate) async fn link(&self, tenant_id: &str) -> anyhow::Result<String> {
        self.link_in(&self.home, tenant_id).await
    }

    /// The same in another environment.
    pub(crate) async fn link_in(&self, home: &Tenant, tenant_id: &str) -> anyhow::Result<String> {
        let url = link_url(home, &json!({"tenant_id": tenant_id})).await?;
        let end = Browser::new()?.follow(&url).await?;
        assert_eq!(end.status, 200, "{}", end.text);
        let path = format!("integrated-accounts?tenant_id={tenant_id}&status=active");
        let accounts = home.api.get(&path).await?.okay()?;
        let account = accounts.pointer("/result/0/id").and_then(Value::as_str);
        Ok(account.context("no account was linked")?.to_owned())
    }

    /// Links the same account again, as a customer mends it.
    pub(crate) async fn link_again(&self, tenant_id: &str, account: &str) -> anyhow::Result<()> {
        let wish = json!({"tenant_id": tenant_id, "integrated_account_id": account});
        let end = Browser::new()?.follow(&link_url(&self.home, &wish).await?).await?;
        assert_eq!(end.status, 200, "{}", end.text);
        Ok(())
    }

    /// Takes the app out of an account's organization at the provider: its tokens are dead.
    pub(crate) async fn uninstall(&self, account: &str) -> anyhow::Result<()> {
        let form = format!("client_id={DEFAULT_CLIENT_ID}&client_secret={DEFAULT_CLIENT_SECRET}");
        let form = Some(("application/x-www-form-urlencoded", form.as_str()));
        let gone = self.on(account)?.send(Method::POST, "proxy/api/apps.uninstall", form).await?;
        assert_eq!(gone.okay()?, json!({"ok": true}));
        Ok(())
    }

    /// A tenant that is linked, and the client that reads its directory.
    pub(crate) async fn linked(&self) -> anyhow::Result<Client> {
        let account = self.link("acme").await?;
        self.on(&account)
    }

    /// The first environment's client with an account named in the header.
    pub(crate) fn on(&self, account: &str) -> anyhow::Result<Client> {
        self.home.api.clone().with("x-integrated-account-id", account)
    }

    /// How often the provider's method was called.
    pub(crate) fn calls(&self, method: &str) -> u64 {
        self.sandbox.requests(Some(method)).counts.get(method).copied().unwrap_or_default()
    }
}

/// The hosted page of a new link token of this wish.
pub(crate) async fn link_url(home: &Tenant, wish: &Value) -> anyhow::Result<Url> {
    let link = home.api.post("link-tokens", wish).await?.created()?;
    let url = link.pointer("/result/link_url").and_then(Value::as_str).context("no link_url")?;
    Ok(Url::parse(url)?)
}

/// The program whose workers evaluate expressions: the tests are another one.
pub(crate) fn worker_program() -> WorkerProgram {
    WorkerProgram::at(env!("CARGO_BIN_EXE_switchboard"))
}

/// The header of a key.
pub(crate) fn bearer(key: &str) -> String {
    format!("Bearer {key}")
}

fn usual(sandbox_url: &str) -> anyhow::Result<Setup> {
    let mut config = Config::load(None)?;
    let master_key = base64::engine::general_purpose::STANDARD.encode([7; 32]);
    config.vault.keys = format!("test:{master_key}");
    // Some tests try every route with keys that are none.
    config.server.failed_auth_per_minute = 0;
    config.limits.time_scale = FAST;
    sandbox_url.clone_into(&mut config.slack_enterprise.web_url);
    sandbox_url.clone_into(&mut config.slack_enterprise.api_url);
    let base_url = Some(sandbox_url.to_owned());
    let sandbox = Options { time_scale: FAST, base_url, ..Options::default() };
    let provider_clock = Arc::new(SystemClock);
    Ok(Setup { sandbox, config, provider_clock, home: "home".to_owned() })
}
