//! HTTP callers: a customer's product with its key, and a customer with a browser.

use anyhow::Context as _;
use reqwest::{Method, RequestBuilder, Response, header};
use serde_json::Value;
use url::Url;

/// An HTTP client with the headers that it sends to the gateways.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    http: reqwest::Client,
    headers: header::HeaderMap,
}

impl Caller {
    /// Creates a client without headers. It follows no redirects.
    #[expect(clippy::disallowed_methods, reason = "a stranger's client, not the gateway's")]
    pub(crate) fn new() -> anyhow::Result<Self> {
        // The crypto provider may be installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let stay = reqwest::redirect::Policy::none();
        let http =
            reqwest::Client::builder().no_proxy().redirect(stay).tcp_nodelay(true).build()?;
        Ok(Self { http, headers: header::HeaderMap::new() })
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> anyhow::Result<Self> {
        self.headers.insert(name, value.parse()?);
        Ok(self)
    }

    /// Removes a header.
    pub(crate) fn without(mut self, name: &'static str) -> Self {
        self.headers.remove(name);
        self
    }

    /// Builds a request with the headers.
    pub(crate) fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.http.request(method, url).headers(self.headers.clone())
    }

    /// Returns the JSON at a URL.
    pub(crate) async fn get(&self, url: &str) -> anyhow::Result<Value> {
        json(self.request(Method::GET, url)).await
    }

    /// Posts JSON and returns the response.
    pub(crate) async fn post(&self, url: &str, body: &Value) -> anyhow::Result<Value> {
        let request =
            self.request(Method::POST, url).header(header::CONTENT_TYPE, "application/json");
        json(request.body(body.to_string())).await
    }

    /// Posts a form and returns the response.
    pub(crate) async fn form(&self, url: &str, form: String) -> anyhow::Result<Value> {
        json(as_form(self.request(Method::POST, url), form)).await
    }

    /// Submits the form of a page, as a browser does.
    pub(crate) async fn submit(&self, url: &str, form: String) -> anyhow::Result<()> {
        let response = as_form(self.request(Method::POST, url), form).send().await?;
        let (status, text) = (response.status(), response.text().await?);
        anyhow::ensure!(status.is_success(), "{status}: {text}");
        Ok(())
    }

    /// Follows a link from its page to the end, as a browser does.
    pub(crate) async fn follow(&self, link: &str) -> anyhow::Result<()> {
        self.request(Method::GET, link).send().await?.error_for_status()?;
        let left = self.request(Method::POST, link).send().await?;
        let cookie = left.headers().get(header::SET_COOKIE).and_then(|it| it.to_str().ok());
        let cookie = cookie.and_then(|it| it.split(';').next()).unwrap_or_default().to_owned();
        let consent = location(&left).context("the link did not lead to the provider")?;
        let back = self.approve(consent).await?;
        let done = self.request(Method::GET, back.as_str()).header(header::COOKIE, cookie);
        done.send().await?.error_for_status()?;
        Ok(())
    }

    /// Approves at the provider for the whole organization; returns the callback URL.
    pub(crate) async fn approve(&self, consent: Url) -> anyhow::Result<Url> {
        let decision = "decision=approve&install=org".to_owned();
        let response =
            as_form(self.request(Method::POST, consent.as_str()), decision).send().await?;
        location(&response).context("the consent page did not lead back")
    }
}

/// Returns the JSON of a successful response.
pub(crate) async fn json(request: RequestBuilder) -> anyhow::Result<Value> {
    let response = request.send().await?;
    let (status, text) = (response.status(), response.text().await?);
    anyhow::ensure!(status.is_success(), "{status}: {text}");
    Ok(serde_json::from_str(&text)?)
}

/// Returns the text at a JSON pointer.
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
