//! Talking HTTP to what a test has started.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::Method;
use serde_json::Value;

/// An HTTP client.
#[derive(Debug, Clone)]
pub(super) struct Client(reqwest::Client);

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// `null` when it is no JSON.
    pub(super) body: Value,
    pub(super) retry_after: Option<String>,
}

impl Answer {
    /// The body of a success.
    pub(super) fn ok(self) -> anyhow::Result<Value> {
        anyhow::ensure!((200..300).contains(&self.status), "{self:?}");
        Ok(self.body)
    }
}

impl Client {
    #[expect(clippy::disallowed_methods, reason = "a stranger's client, not the gateway's")]
    pub(super) fn new() -> anyhow::Result<Self> {
        // A second installation is refused, and that is fine: the first one stands.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(40));
        Ok(Self(client.build()?))
    }

    /// Sends a request with headers of its own and perhaps a body in JSON.
    pub(super) async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let mut request = self.0.request(method, url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get("retry-after");
        let retry_after = retry_after.and_then(|value| Some(value.to_str().ok()?.to_owned()));
        let bytes = response.bytes().await?;
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok(Answer { status, body, retry_after })
    }

    /// What stands at an address.
    pub(super) async fn read(&self, url: &str) -> anyhow::Result<String> {
        Ok(self.0.get(url).send().await?.text().await?)
    }

    /// GET, for those who need no key.
    pub(super) async fn get(&self, url: &str) -> anyhow::Result<Answer> {
        self.send(Method::GET, url, &[], None).await
    }
}

/// The text at a place of a JSON value, named by a JSON pointer.
pub(super) fn text(value: &Value, pointer: &str) -> anyhow::Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    Ok(found.with_context(|| format!("no text at {pointer} of {value}"))?.to_owned())
}

/// The number at a place of a JSON value.
pub(super) fn number(value: &Value, pointer: &str) -> anyhow::Result<u64> {
    let found = value.pointer(pointer).and_then(Value::as_u64);
    found.with_context(|| format!("no number at {pointer} of {value}"))
}

/// The list at a place of a JSON value.
pub(super) fn list<'a>(value: &'a Value, pointer: &str) -> anyhow::Result<&'a [Value]> {
    let found = value.pointer(pointer).and_then(Value::as_array);
    Ok(found.with_context(|| format!("no list at {pointer} of {value}"))?)
}
