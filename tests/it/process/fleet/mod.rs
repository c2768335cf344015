//! Several gateways on one database, with a sandbox beside them.

mod exhaustion;
mod refresh;
mod rolling;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, PgPool};

use super::START;
use super::home::Home;
use super::program::{Program, run};
use super::talk::{Answer, Client, text};
use crate::support::Browser;

const SCOPES: &str = "read,write,proxy,admin";

/// Some gateways, their provider, and an account that was linked.
#[derive(Debug)]
pub(super) struct Fleet {
    gateways: Vec<(Program, String)>,
    sandbox: (Program, String),
    config: String,
    caller: Caller,
}

/// Whoever calls with a key, about an account once there is one.
#[derive(Debug, Clone)]
struct Caller {
    client: Client,
    key: String,
    account: String,
}

impl Caller {
    async fn send(
        &self,
        gateway: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let bearer = format!("Bearer {}", self.key);
        let mut headers = vec![("authorization", bearer.as_str())];
        if !self.account.is_empty() {
            headers.push(("x-integrated-account-id", &self.account));
        }
        self.client.send(method, &format!("{gateway}{path}"), &headers, body).await
    }
}

impl Fleet {
    /// Starts `count` gateways on the pool's database. `grace_s` is for how long the provider takes a used
    /// refresh token again.
    pub(super) async fn start(
        home: &Home,
        pool: &PgPool,
        count: usize,
        grace_s: i64,
    ) -> anyhow::Result<Self> {
        Self::with_limits(home, pool, count, grace_s, "").await
    }

    /// The same with these settings for the limits.
    async fn with_limits(
        home: &Home,
        pool: &PgPool,
        count: usize,
        grace_s: i64,
        limits: &str,
    ) -> anyhow::Result<Self> {
        Self::launch(home, pool, (count, grace_s), limits, |arguments| {
            Program::start(home, arguments, &[])
        })
        .await
    }

    /// The same; `start` starts a gateway with these arguments.
    async fn launch(
        home: &Home,
        pool: &PgPool,
        (count, grace_s): (usize, i64),
        limits: &str,
        start: impl Fn(&[&str]) -> anyhow::Result<Program>,
    ) -> anyhow::Result<Self> {
        let grace = grace_s.to_string();
        let arguments = ["sandbox", "--port", "0", "--refresh-grace", &grace];
        let mut sandbox = Program::start(home, &arguments, &[])?;
        let [url, id, secret] = sandbox.says(introduction, START).await?;
        let config = settings(home, pool, &url, limits)?;
        let mut gateways = Vec::new();
        for _ in 0..count {
            let mut gateway = start(&["serve", "--config", &config])?;
            let address = gateway.says(|_, err| serving(err), START).await?;
            gateways.push((gateway, address));
        }
        let made = run(home, &["keys", "create", "--config", &config, "--scopes", SCOPES]).await?;
        anyhow::ensure!(made.code == Some(0), "{made:?}");
        let key = made.stdout.trim().to_owned();
        let sandbox = (sandbox, url);
        let caller = Caller { client: Client::new()?, key, account: String::new() };
        let mut fleet = Self { gateways, sandbox, config, caller };
        fleet.tell_sandbox("limits", &json!({"enabled": false})).await?;
        let app = json!({"provider": "slack_enterprise", "client_id": id, "client_secret": secret});
        fleet.post(0, "/provider-apps", &app).await?.ok()?;
        fleet.caller.account = fleet.link(0).await?;
        Ok(fleet)
    }

    /// Links the customer's account, or links it again, through one of the gateways.
    async fn link(&self, gateway: usize) -> anyhow::Result<String> {
        let made = self.post(gateway, "/link-tokens", &json!({"tenant_id": "acme"})).await?.ok()?;
        let page = Browser::new()?.follow(&text(&made, "/result/link_url")?.parse()?).await?;
        anyhow::ensure!(page.status == 200, "{}: {}", page.status, page.text);
        let accounts = self.ask(gateway, "/integrated-accounts").await?.ok()?;
        text(&accounts, "/result/0/id")
    }

    /// Calls the provider through a gateway.
    async fn call(&self, gateway: usize) -> anyhow::Result<Answer> {
        self.ask(gateway, "/proxy/api/auth.test").await
    }

    /// So many calls at each of these gateways, all at once.
    async fn calls(&self, gateways: &[usize], each: usize) -> anyhow::Result<Vec<Answer>> {
        let all = gateways.iter().flat_map(|one| std::iter::repeat_n(*one, each));
        join_all(all.map(|gateway| self.call(gateway))).await.into_iter().collect()
    }

    async fn ask(&self, gateway: usize, path: &str) -> anyhow::Result<Answer> {
        self.send(gateway, Method::GET, path, None).await
    }

    async fn post(&self, gateway: usize, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.send(gateway, Method::POST, path, Some(body)).await
    }

    async fn send(
        &self,
        gateway: usize,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let (_, address) = self.gateways.get(gateway).context("no such gateway")?;
        self.caller.send(address, method, path, body).await
    }

    /// Stops a gateway in good order and starts it again at its address.
    async fn restart(&mut self, home: &Home, gateway: usize) -> anyhow::Result<()> {
        let (program, address) = self.gateways.get_mut(gateway).context("no such gateway")?;
        let status = program.stop().await?;
        anyhow::ensure!(status.success(), "{status}: {}", program.stderr()?);
        let listen = address.trim_start_matches("http://");
        *program =
            Program::start(home, &["serve", "--config", &self.config, "--listen", listen], &[])?;
        program.says(|_, err| serving(err), START).await?;
        Ok(())
    }

    /// Ends a gateway without a chance to tidy up.
    fn kill(&mut self, gateway: usize) -> anyhow::Result<()> {
        self.gateways.get_mut(gateway).context("no such gateway")?.0.kill()
    }

    async fn tell_sandbox(&self, what: &str, body: &Value) -> anyhow::Result<()> {
        let url = format!("{}/_sandbox/{what}", self.sandbox.1);
        self.caller.client.send(Method::POST, &url, &[], Some(body)).await?.ok()?;
        Ok(())
    }

    async fn ask_sandbox(&self, what: &str) -> anyhow::Result<Value> {
        self.caller.client.get(&format!("{}/_sandbox/{what}", self.sandbox.1)).await?.ok()
    }
}

/// The settings of every gateway.
fn settings(home: &Home, pool: &PgPool, provider: &str, limits: &str) -> anyhow::Result<String> {
    let database = pool.connect_options().to_url_lossy();
    let key = STANDARD.encode(rand::random::<[u8; 32]>());
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n\n[database]\nurl = '{database}'\n\n\
         [vault]\nkeys = 'test:{key}'\n\n[log]\nformat = \"json\"\n\n\
         [limits]\ntime_scale = 100000\n{limits}\n\
         [slack_enterprise]\nweb_url = '{provider}'\napi_url = '{provider}'\n"
    );
    let file = home.file("fleet.toml");
    std::fs::write(&file, text)?;
    Ok(file.display().to_string())
}

fn serving(err: &str) -> Option<String> {
    err.lines().find_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        Some(line.pointer("/fields/public_url")?.as_str()?.trim_end_matches('/').to_owned())
    })
}

/// The sandbox's address, client id and client secret, once all are told.
fn introduction(out: &str, _: &str) -> Option<[String; 3]> {
    let after = |label: &str| {
        let rest = out.lines().find_map(|line| line.split_once(label)).map(|(_, rest)| rest);
        rest.map(|rest| rest.trim().to_owned())
    };
    after("audit logs")?;
    Some([after("sandbox at ")?, after("client id")?, after("client secret")?])
}
