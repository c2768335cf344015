//! Several gateways on one database, with a sandbox beside them.

mod exhaustion;
mod refresh;
mod rolling;
mod sync;
mod sync_command;

use std::time::Instant;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, PgPool};

use super::http_client::{Client, HttpResponse, text};
use super::program::{Program, run};
use super::test_dir::TestDir;
use super::{POLL_INTERVAL, START_TIMEOUT};
use crate::support::Browser;

const SCOPES: &str = "read,write,proxy,admin";
/// Longer than a test waits for anything.
const LONG_S: u64 = 30;

/// Gateways, their provider, and a linked account.
#[derive(Debug)]
pub(super) struct Fleet {
    gateways: Vec<(Program, String)>,
    sandbox: (Program, String),
    config: String,
    caller: Caller,
}

/// A caller with a key and, after the link, an account.
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
    ) -> anyhow::Result<HttpResponse> {
        let bearer = format!("Bearer {}", self.key);
        let mut headers = vec![("authorization", bearer.as_str())];
        if !self.account.is_empty() {
            headers.push(("x-integrated-account-id", &self.account));
        }
        self.client.send(method, &format!("{gateway}{path}"), &headers, body).await
    }
}

impl Fleet {
    /// Starts `count` gateways on the pool's database. `grace_s` is how long the provider accepts a used
    /// refresh token again.
    pub(super) async fn start(
        home: &TestDir,
        pool: &PgPool,
        count: usize,
        grace_s: i64,
    ) -> anyhow::Result<Self> {
        Self::with_limits(home, pool, count, grace_s, "").await
    }

    /// Starts them with these settings of `[limits]`, which other sections may follow.
    async fn with_limits(
        home: &TestDir,
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

    /// Starts them with `start`, which starts a gateway with arguments.
    async fn launch(
        home: &TestDir,
        pool: &PgPool,
        (count, grace_s): (usize, i64),
        limits: &str,
        start: impl Fn(&[&str]) -> anyhow::Result<Program>,
    ) -> anyhow::Result<Self> {
        let grace = grace_s.to_string();
        let arguments = ["sandbox", "--port", "0", "--refresh-grace", &grace];
        let mut sandbox = Program::start(home, &arguments, &[])?;
        let [url, id, secret] = sandbox.wait_for_output(parse_credentials, START_TIMEOUT).await?;
        let config = settings(home, pool, &url, limits)?;
        let mut gateways = Vec::new();
        for _ in 0..count {
            let mut gateway = start(&["serve", "--config", &config])?;
            let address = gateway.wait_for_output(|_, err| serving(err), START_TIMEOUT).await?;
            gateways.push((gateway, address));
        }
        let created =
            run(home, &["keys", "create", "--config", &config, "--scopes", SCOPES]).await?;
        anyhow::ensure!(created.code == Some(0), "{created:?}");
        let key = created.stdout.trim().to_owned();
        let sandbox = (sandbox, url);
        let caller = Caller { client: Client::new()?, key, account: String::new() };
        let mut fleet = Self { gateways, sandbox, config, caller };
        fleet.sandbox_post("limits", &json!({"enabled": false})).await?;
        let app = json!({"provider": "slack_enterprise", "client_id": id, "client_secret": secret});
        fleet.post(0, "/provider-apps", &app).await?.ok()?;
        fleet.caller.account = fleet.link(0).await?;
        Ok(fleet)
    }

    /// Links the customer's account, or links it again, through one of the gateways.
    async fn link(&self, gateway: usize) -> anyhow::Result<String> {
        let created =
            self.post(gateway, "/link-tokens", &json!({"tenant_id": "acme"})).await?.ok()?;
        let page =
            Browser::new()?.complete_link(&text(&created, "/result/link_url")?.parse()?).await?;
        anyhow::ensure!(page.status == 200, "{}: {}", page.status, page.text);
        let accounts = self.get(gateway, "/integrated-accounts").await?.ok()?;
        text(&accounts, "/result/0/id")
    }

    /// Calls the provider through a gateway.
    async fn call(&self, gateway: usize) -> anyhow::Result<HttpResponse> {
        self.get(gateway, "/proxy/api/auth.test").await
    }

    /// Makes `each` concurrent calls at each of these gateways.
    async fn calls(&self, gateways: &[usize], each: usize) -> anyhow::Result<Vec<HttpResponse>> {
        let all = gateways.iter().flat_map(|one| std::iter::repeat_n(*one, each));
        join_all(all.map(|gateway| self.call(gateway))).await.into_iter().collect()
    }

    async fn get(&self, gateway: usize, path: &str) -> anyhow::Result<HttpResponse> {
        self.send(gateway, Method::GET, path, None).await
    }

    async fn post(&self, gateway: usize, path: &str, body: &Value) -> anyhow::Result<HttpResponse> {
        self.send(gateway, Method::POST, path, Some(body)).await
    }

    async fn send(
        &self,
        gateway: usize,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<HttpResponse> {
        let (_, address) = self.gateways.get(gateway).context("no such gateway")?;
        self.caller.send(address, method, path, body).await
    }

    /// Stops a gateway gracefully and starts it again on the same address.
    async fn restart(&mut self, home: &TestDir, gateway: usize) -> anyhow::Result<()> {
        let (program, address) = self.gateways.get_mut(gateway).context("no such gateway")?;
        let status = program.stop().await?;
        anyhow::ensure!(status.success(), "{status}: {}", program.stderr()?);
        let listen = address.trim_start_matches("http://");
        *program =
            Program::start(home, &["serve", "--config", &self.config, "--listen", listen], &[])?;
        program.wait_for_output(|_, err| serving(err), START_TIMEOUT).await?;
        Ok(())
    }

    /// Kills a gateway.
    fn kill(&mut self, gateway: usize) -> anyhow::Result<()> {
        self.gateways.get_mut(gateway).context("no such gateway")?.0.kill()
    }

    /// Waits until the database or the sandbox shows that the state is reached.
    async fn wait_until(
        &self,
        mut has_come: impl AsyncFnMut() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        while !has_come().await? {
            anyhow::ensure!(Instant::now() < deadline, "the state was not reached");
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    /// Returns whether the fault was injected into a call.
    async fn is_fault_spent(&self) -> anyhow::Result<bool> {
        let faults = self.sandbox_get("faults").await?;
        Ok(faults.get("faults").and_then(Value::as_array).is_some_and(Vec::is_empty))
    }

    async fn sandbox_post(&self, what: &str, body: &Value) -> anyhow::Result<()> {
        let url = format!("{}/_sandbox/{what}", self.sandbox.1);
        self.caller.client.send(Method::POST, &url, &[], Some(body)).await?.ok()?;
        Ok(())
    }

    async fn sandbox_get(&self, what: &str) -> anyhow::Result<Value> {
        self.caller.client.get(&format!("{}/_sandbox/{what}", self.sandbox.1)).await?.ok()
    }
}

/// Writes the settings of every gateway.
fn settings(home: &TestDir, pool: &PgPool, provider: &str, limits: &str) -> anyhow::Result<String> {
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

/// Parses the sandbox's URL, client id and client secret, once all are printed.
fn parse_credentials(out: &str, _: &str) -> Option<[String; 3]> {
    let after = |label: &str| {
        let rest = out.lines().find_map(|line| line.split_once(label)).map(|(_, rest)| rest);
        rest.map(|rest| rest.trim().to_owned())
    };
    after("audit logs")?;
    Some([after("sandbox at ")?, after("client id")?, after("client secret")?])
}
