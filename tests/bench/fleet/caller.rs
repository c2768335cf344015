//! Whoever calls: a customer's product with its key, and a customer with a browser.

use anyhow::Context as _;
use reqwest::{Method, RequestBuilder, Response, header};
use serde_json::Value;
use url::Url;

/// An HTTP client, with the headers that it sends to the gateways.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    http: reqwest::Client,
    headers: header::HeaderMap,
}

impl Caller {
    /// One without headers. It follows no redirect.
    #[expect(clippy::disallowed_methods, reason = "a stranger's client, not the gateway's")]
    pub(crate) fn new() -> anyhow::Result<Self> {
        // A second installation is refused, and that is fine: the first one stands.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let stay = reqwest::redirect::Policy::none();
        let http =
            reqwest::Client::builder().no_proxy().redirect(stay).tcp_nodelay(true).build()?;
        Ok(Self { http, headers: header::HeaderMap::new() })
    }

    /// The same with a header more.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> anyhow::Result<Self> {
        self.headers.insert(name, value.parse()?);
        Ok(self)
    }

    /// A request with the headers.
    pub(crate) fn ask(&self, method: Method, url: &str) -> RequestBuilder {
        self.http.request(method, url).headers(self.headers.clone())
    }

    /// The JSON at an address.
    pub(crate) async fn get(&self, url: &str) -> anyhow::Result<Value> {
        json(self.ask(Method::GET, url)).await
    }

    /// What is answered to JSON.
    pub(crate) async fn post(&self, url: &str, body: &Value) -> anyhow::Result<Value> {
        let request = self.ask(Method::POST, url).header(header::CONTENT_TYPE, "application/json");
        json(request.body(body.to_string())).await
    }

    /// What is answered to a form.
    pub(crate) async fn form(&self, url: &str, form: String) -> anyhow::Result<Value> {
        json(as_form(self.ask(Method::POST, url), form)).await
    }

    /// A browser's way through a link from its page to the end.
    pub(crate) async fn follow(&self, link: &str) -> anyhow::Result<()> {
        self.ask(Method::GET, link).send().await?.error_for_status()?;
        let left = self.ask(Method::POST, link).send().await?;
        let cookie = left.headers().get(header::SET_COOKIE).and_then(|it| it.to_str().ok());
        let cookie = cookie.and_then(|it| it.split(';').next()).unwrap_or_default().to_owned();
        let consent = location(&left).context("the link did not lead to the provider")?;
        let back = self.approve(consent).await?;
        let done = self.ask(Method::GET, back.as_str()).header(header::COOKIE, cookie);
        done.send().await?.error_for_status()?;
        Ok(())
    }

    /// Approves at the provider, for the whole organization; gives the way back.
    pub(crate) async fn approve(&self, consent: Url) -> anyhow::Result<Url> {
        let decision = "decision=approve&install=org".to_owned();
        let answer = as_form(self.ask(Method::POST, consent.as_str()), decision).send().await?;
        location(&answer).context("the consent page did not lead back")
    }
}

/// The JSON of a success.
pub(crate) async fn json(request: RequestBuilder) -> anyhow::Result<Value> {
    let response = request.send().await?;
    let (status, text) = (response.status(), response.text().await?);
    anyhow::ensure!(status.is_success(), "{status}: {text}");
    Ok(serde_json::from_str(&text)?)
}

/// The text at a place of a JSON value.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> anyhow::Result<&'a str> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.with_context(|| format!("no text at {pointer} of {value}"))
}

fn as_form(request: RequestBuilder, form: String) -> RequestBuilder {
    request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(form)
}

fn location(response: &Response) -> Option<Url> {
    let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
    response.url().join(location).ok()
}
