//! A customer's browser: it stores the gateway's cookie and follows no redirects automatically.

use anyhow::Context as _;
use http::{Method, header};
use url::Url;

use super::client::http;

/// A browser.
pub(crate) struct Browser {
    http: reqwest::Client,
    cookie: Option<String>,
}

/// A response as the browser sees it.
#[derive(Debug)]
pub(crate) struct Page {
    /// HTTP status.
    pub(crate) status: u16,
    /// Target of the redirect.
    pub(crate) location: Option<Url>,
    /// `Set-Cookie` with its attributes.
    pub(crate) cookie: Option<String>,
    /// Body.
    pub(crate) text: String,
}

impl Browser {
    /// Creates a browser.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self { http: http()?, cookie: None })
    }

    /// Creates a browser with this cookie.
    pub(crate) fn with_cookie(pair: &str) -> anyhow::Result<Self> {
        Ok(Self { http: http()?, cookie: Some(pair.to_owned()) })
    }

    /// Creates a browser with the cookies of both.
    pub(crate) fn with_cookies_of(&self, other: &Self) -> Self {
        let both: Vec<&str> =
            [&self.cookie, &other.cookie].into_iter().flatten().map(String::as_str).collect();
        Self { http: self.http.clone(), cookie: Some(both.join("; ")) }
    }

    /// Returns whether it has a cookie of that name.
    pub(crate) fn has_cookie(&self, name: &str) -> bool {
        self.cookie.as_deref().is_some_and(|cookie| cookie.contains(&format!("{name}=")))
    }

    /// Requests a page with an additional header.
    pub(crate) async fn load(
        &mut self,
        method: Method,
        url: &Url,
        header: &str,
        value: &str,
    ) -> anyhow::Result<Page> {
        self.send(self.http.request(method, url.clone()).header(header, value)).await
    }

    /// Opens a page.
    pub(crate) async fn get(&mut self, url: &Url) -> anyhow::Result<Page> {
        self.go(Method::GET, url, "").await
    }

    /// Posts a form.
    pub(crate) async fn post(&mut self, url: &Url, form: &str) -> anyhow::Result<Page> {
        self.go(Method::POST, url, form).await
    }

    async fn go(&mut self, method: Method, url: &Url, form: &str) -> anyhow::Result<Page> {
        let mut request = self.http.request(method, url.clone());
        if !form.is_empty() {
            let kind = "application/x-www-form-urlencoded";
            request = request.header(header::CONTENT_TYPE, kind).body(form.to_owned());
        }
        self.send(request).await
    }

    async fn send(&mut self, mut request: reqwest::RequestBuilder) -> anyhow::Result<Page> {
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        let response = request.send().await?;
        let text_of = |name| {
            let value: Option<&http::HeaderValue> = response.headers().get(name);
            value.and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let cookie = text_of(header::SET_COOKIE);
        let location = text_of(header::LOCATION).and_then(|to| response.url().join(&to).ok());
        if let Some(pair) = cookie.as_deref().and_then(|cookie| cookie.split(';').next()) {
            self.cookie = Some(pair.to_owned());
        }
        let status = response.status().as_u16();
        Ok(Page { status, location, cookie, text: response.text().await? })
    }

    /// Starts the link on its page; returns the provider's consent page.
    pub(crate) async fn start_consent(&mut self, link: &Url) -> anyhow::Result<Url> {
        let page = self.get(link).await?;
        anyhow::ensure!(page.status == 200, "{}: {}", page.status, page.text);
        let redirected = self.post(link, "").await?;
        redirected.location.with_context(|| format!("{}: {}", redirected.status, redirected.text))
    }

    /// Submits the consent page; returns the callback URL.
    pub(crate) async fn submit_consent(
        &mut self,
        consent: &Url,
        form: &str,
    ) -> anyhow::Result<Url> {
        let page = self.get(consent).await?;
        anyhow::ensure!(page.status == 200, "{}: {}", page.status, page.text);
        let submitted = self.post(consent, form).await?;
        submitted.location.with_context(|| format!("{}: {}", submitted.status, submitted.text))
    }

    /// Completes a link with an approval for the organization; returns the last page.
    pub(crate) async fn complete_link(&mut self, link: &Url) -> anyhow::Result<Page> {
        let consent = self.start_consent(link).await?;
        let back = self.submit_consent(&consent, "decision=approve&install=org").await?;
        self.get(&back).await
    }
}
