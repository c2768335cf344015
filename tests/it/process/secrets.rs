//! `switchboard secrets rotate` beside a gateway: from the old master key to the new one without a
//! failed call, killed halfway and run again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use switchboard::sandbox::{DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET};
use url::Url;

use super::http_client::{Client, text};
use super::program::{Finished, Program, run};
use super::serve::{keys, master_key, serve, settings};
use super::test_dir::TestDir;
use super::{START_TIMEOUT, note};
use crate::support::Browser;

/// A caller of a gateway with its own key.
struct Caller {
    client: Client,
    url: String,
    key: String,
}

impl Caller {
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        self.send_with(method, path, body, &[]).await
    }

    async fn send_with(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<Value> {
        let bearer = format!("Bearer {}", self.key);
        let headers = [&[("authorization", bearer.as_str())], headers].concat();
        self.client.send(method, &format!("{}{path}", self.url), &headers, body).await?.ok()
    }

    /// Makes a call that needs the account's token.
    async fn call(&self, account: &str) -> anyhow::Result<()> {
        let path = format!("/proxy/api/auth.test?integrated_account_id={account}");
        let response = self.send(Method::GET, &path, None).await?;
        anyhow::ensure!(response.get("ok") == Some(&Value::Bool(true)), "{response}");
        Ok(())
    }

    /// Registers the sandbox's OAuth client and links an organization.
    async fn link(&self) -> anyhow::Result<String> {
        let app = json!({"provider": "slack_enterprise", "client_id": DEFAULT_CLIENT_ID,
            "client_secret": DEFAULT_CLIENT_SECRET});
        self.send(Method::POST, "/provider-apps", Some(&app)).await?;
        let body = json!({"tenant_id": "acme"});
        let link = self.send(Method::POST, "/link-tokens", Some(&body)).await?;
        let end =
            Browser::new()?.complete_link(&Url::parse(&text(&link, "/result/link_url")?)?).await?;
        anyhow::ensure!(end.status == 200, "{}", end.text);
        let accounts = self.send(Method::GET, "/integrated-accounts", None).await?;
        text(&accounts, "/result/0/id")
    }

    /// Previews a mapping with an idempotency key; the whole response is stored, encrypted.
    async fn once(&self, number: usize) -> anyhow::Result<Value> {
        let key = format!("once-{number}");
        let mapping = json!({"expression": number.to_string()});
        let headers = [("idempotency-key", key.as_str())];
        self.send_with(Method::POST, "/mappings/preview", Some(&mapping), &headers).await
    }
}

/// Starts a sandbox as a process; returns its URL.
pub(super) async fn sandbox(home: &TestDir) -> anyhow::Result<(Program, String)> {
    let arguments = ["sandbox", "--port", "0", "--time-scale", "10000"];
    let mut program = Program::start(home, &arguments, &[])?;
    let address = |out: &str, _: &str| {
        let line = out.lines().next()?;
        Some(line.rsplit_once(" at ")?.1.to_owned())
    };
    let url = program.wait_for_output(address, START_TIMEOUT).await?;
    Ok((program, url))
}

async fn rotate(home: &TestDir, config: &str) -> anyhow::Result<Finished> {
    run(home, &["secrets", "rotate", "--config", config]).await
}

#[tokio::test]
async fn a_master_key_is_rotated_beside_a_gateway_without_a_failed_call() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let (_provider, provider_url) = sandbox(&home).await?;
    let config = settings(&home)?;
    let whole = std::fs::read_to_string(&config)?;
    std::fs::write(
        &config,
        format!(
            "{whole}\n[limits]\ntime_scale = 10000\n\n[slack_enterprise]\n\
             web_url = '{provider_url}'\napi_url = '{provider_url}'\n"
        ),
    )?;
    let (old, new) = (master_key("old"), master_key("new"));
    let list = |keys: &[&str]| std::fs::write(home.file("vault.key"), keys.join("\n"));

    list(&[&old])?;
    let (mut gateway, url) = serve(&home, &config).await?;
    let scopes = ["create", "--scopes", "read,write,proxy,admin"];
    let key = keys(&home, &config, &scopes).await?;
    let mut caller = Caller { client: Client::new()?, url, key };
    let account = caller.link().await?;
    let mut responses = Vec::new();
    for number in 0..450 {
        responses.push(caller.once(number).await?);
    }
    // A key that is not in use yet makes no difference to gateways that read with both.
    assert_eq!(gateway.stop().await?.code(), Some(0), "{}", gateway.stderr()?);
    list(&[&new, &old])?;
    let (mut gateway, url) = serve(&home, &config).await?;
    caller.url = url;

    let (done, caller_then) = (AtomicBool::new(false), &caller);
    let traffic = join_all((0..4).map(|number| {
        let (done, account) = (&done, account.as_str());
        async move {
            let mut calls = 0_u64;
            while !done.load(Ordering::Relaxed) {
                caller_then.call(account).await?;
                caller_then.once(number).await?;
                calls += 1;
            }
            anyhow::Ok(calls)
        }
    }));
    let rotation = async {
        let rotated = kill_and_run_again(&home, &config).await;
        done.store(true, Ordering::Relaxed);
        rotated
    };
    let (calls, rotated) = tokio::join!(traffic, rotation);
    let rotated = rotated?;
    let calls: u64 = calls.into_iter().sum::<anyhow::Result<u64>>()?;
    assert!(rotated.stdout.contains("no row uses \"old\" any more"), "{rotated:?}");
    note(format_args!("{calls} pairs of calls while the master key was rotated, none failed"))?;
    assert_eq!(gateway.stop().await?.code(), Some(0), "{}", gateway.stderr()?);

    list(&[&new])?;
    let (mut gateway, url) = serve(&home, &config).await?;
    caller.url = url;
    caller.call(&account).await?;
    let refresh = format!("/integrated-accounts/{account}/refresh");
    caller.send(Method::POST, &refresh, None).await?;
    caller.call(&account).await?;
    for (number, response) in responses.into_iter().enumerate() {
        assert_eq!(caller.once(number).await?, response);
    }
    assert_eq!(gateway.stop().await?.code(), Some(0), "{}", gateway.stderr()?);
    // Without the key that rows need, the command names it and changes nothing.
    list(&[&old])?;
    let rejected = rotate(&home, &config).await?;
    assert_eq!(rejected.code, Some(1));
    assert!(rejected.stderr.contains("master key \"new\" is not in vault.keys"), "{rejected:?}");
    Ok(())
}

/// Kills a rotation once its first rows are done, and runs it again.
async fn kill_and_run_again(home: &TestDir, config: &str) -> anyhow::Result<Finished> {
    let arguments = ["secrets", "rotate", "--config", config];
    let mut first = Program::start(home, &arguments, &[])?;
    first.wait_for_output(|out, _| out.contains("so far").then_some(()), START_TIMEOUT).await?;
    first.kill()?;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let second = rotate(home, config).await?;
    anyhow::ensure!(second.code == Some(0), "{second:?}");
    Ok(second)
}
