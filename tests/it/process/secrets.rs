//! `switchboard secrets rotate` beside a gateway: from the old master key to the new one without a
//! failed call, killed in the middle and run again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use switchboard::sandbox::{DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET};
use url::Url;

use super::home::Home;
use super::program::{Finished, Program, run};
use super::serve::{keys, master_key, serve, settings};
use super::talk::{Client, text};
use super::{START, note};
use crate::support::Browser;

/// A caller of a gateway with a key of its own.
struct Caller {
    client: Client,
    url: String,
    key: String,
}

impl Caller {
    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        self.ask_with(method, path, body, &[]).await
    }

    async fn ask_with(
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

    /// A call that needs the account's token.
    async fn call(&self, account: &str) -> anyhow::Result<()> {
        let path = format!("/proxy/api/auth.test?integrated_account_id={account}");
        let answer = self.ask(Method::GET, &path, None).await?;
        anyhow::ensure!(answer.get("ok") == Some(&Value::Bool(true)), "{answer}");
        Ok(())
    }

    /// Registers the sandbox's OAuth client and links an organization.
    async fn link(&self) -> anyhow::Result<String> {
        let app = json!({"provider": "slack_enterprise", "client_id": DEFAULT_CLIENT_ID,
            "client_secret": DEFAULT_CLIENT_SECRET});
        self.ask(Method::POST, "/provider-apps", Some(&app)).await?;
        let wish = json!({"tenant_id": "acme"});
        let link = self.ask(Method::POST, "/link-tokens", Some(&wish)).await?;
        let end = Browser::new()?.follow(&Url::parse(&text(&link, "/result/link_url")?)?).await?;
        anyhow::ensure!(end.status == 200, "{}", end.text);
        let accounts = self.ask(Method::GET, "/integrated-accounts", None).await?;
        text(&accounts, "/result/0/id")
    }

    /// Previews a mapping with an idempotency key; the whole response is stored, encrypted.
    async fn once(&self, number: usize) -> anyhow::Result<Value> {
        let key = format!("once-{number}");
        let mapping = json!({"expression": number.to_string()});
        let headers = [("idempotency-key", key.as_str())];
        self.ask_with(Method::POST, "/mappings/preview", Some(&mapping), &headers).await
    }
}

/// A sandbox of its own process, and its address.
pub(super) async fn sandbox(home: &Home) -> anyhow::Result<(Program, String)> {
    let arguments = ["sandbox", "--port", "0", "--time-scale", "10000"];
    let mut program = Program::start(home, &arguments, &[])?;
    let address = |out: &str, _: &str| {
        let line = out.lines().next()?;
        Some(line.rsplit_once(" at ")?.1.to_owned())
    };
    let url = program.says(address, START).await?;
    Ok((program, url))
}

async fn rotate(home: &Home, config: &str) -> anyhow::Result<Finished> {
    run(home, &["secrets", "rotate", "--config", config]).await
}

#[tokio::test]
async fn a_master_key_is_rotated_beside_a_gateway_without_a_failed_call() -> anyhow::Result<()> {
    let home = Home::new()?;
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
    let mut answers = Vec::new();
    for number in 0..450 {
        answers.push(caller.once(number).await?);
    }
    // A key that nobody has used yet changes nothing for those who read with both.
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
        let rotated = killed_and_run_again(&home, &config).await;
        done.store(true, Ordering::Relaxed);
        rotated
    };
    let (calls, rotated) = tokio::join!(traffic, rotation);
    let rotated = rotated?;
    let calls: u64 = calls.into_iter().sum::<anyhow::Result<u64>>()?;
    assert!(rotated.stdout.contains("no row needs \"old\" any more"), "{rotated:?}");
    note(format_args!("{calls} pairs of calls while the master key was rotated, none failed"))?;
    assert_eq!(gateway.stop().await?.code(), Some(0), "{}", gateway.stderr()?);

    list(&[&new])?;
    let (mut gateway, url) = serve(&home, &config).await?;
    caller.url = url;
    caller.call(&account).await?;
    let refresh = format!("/integrated-accounts/{account}/refresh");
    caller.ask(Method::POST, &refresh, None).await?;
    caller.call(&account).await?;
    for (number, answer) in answers.into_iter().enumerate() {
        assert_eq!(caller.once(number).await?, answer);
    }
    assert_eq!(gateway.stop().await?.code(), Some(0), "{}", gateway.stderr()?);
    // Without the key that rows need, the command says which and changes nothing.
    list(&[&old])?;
    let refused = rotate(&home, &config).await?;
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("master key \"new\" is not in vault.keys"), "{refused:?}");
    Ok(())
}

/// A rotation that is killed once its first rows are done, and the one that goes on.
async fn killed_and_run_again(home: &Home, config: &str) -> anyhow::Result<Finished> {
    let arguments = ["secrets", "rotate", "--config", config];
    let mut first = Program::start(home, &arguments, &[])?;
    first.says(|out, _| out.contains("so far").then_some(()), START).await?;
    first.kill()?;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let second = rotate(home, config).await?;
    anyhow::ensure!(second.code == Some(0), "{second:?}");
    Ok(second)
}
