//! A scripted browser in place of the customer's: opens the link page, approves at the provider, follows the callback.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use http::{Method, Request, Response, header};
use url::Url;

use crate::upstream::{AddressPolicy, AddressSource, HttpClient, ReadMode, Timeouts};

/// A browser with one cookie.
#[derive(Debug)]
pub(super) struct ScriptedBrowser {
    http: HttpClient,
}

impl ScriptedBrowser {
    /// Creates a browser.
    pub(super) fn new() -> anyhow::Result<Self> {
        let patience = Duration::from_secs(10);
        let timeouts = Timeouts { connect: patience, read: patience, buffered: patience };
        Ok(Self { http: HttpClient::new(timeouts, AddressPolicy::Any)? })
    }

    /// Follows a link from its page to the end.
    pub(super) async fn follow(&self, link: &Url) -> anyhow::Result<()> {
        let page = self.send(Method::GET, link, None, "").await?;
        ensure!(page.status().is_success(), "the link page returned {}", page.status());
        let left = self.send(Method::POST, link, None, "").await?;
        let cookie = left.headers().get(header::SET_COOKIE).cloned();
        let consent =
            location(link, &left).context("the link page did not redirect to the provider")?;
        let back = self.approve(&consent).await?;
        let cookie = cookie.as_ref().and_then(|cookie| cookie.to_str().ok()?.split(';').next());
        let done = self.send(Method::GET, &back, cookie, "").await?;
        ensure!(done.status().is_success(), "the callback returned {}", done.status());
        Ok(())
    }

    async fn send(
        &self,
        method: Method,
        url: &Url,
        cookie: Option<&str>,
        form: &'static str,
    ) -> anyhow::Result<Response<()>> {
        let mut request = Request::builder().method(method).uri(url.as_str());
        if let Some(cookie) = cookie {
            request = request.header(header::COOKIE, cookie);
        }
        if !form.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let request = request.body(bytes::Bytes::from_static(form.as_bytes()).into())?;
        Ok(self
            .http
            .execute(Box::new(request), AddressSource::Config, ReadMode::Buffered)
            .await?
            .map(drop))
    }

    /// Approves on the provider's consent page, for the whole organization.
    async fn approve(&self, consent: &Url) -> anyhow::Result<Url> {
        let page = self.send(Method::GET, consent, None, "").await?;
        ensure!(page.status().is_success(), "the consent page returned {}", page.status());
        let approval = "decision=approve&install=org";
        let response = self.send(Method::POST, consent, None, approval).await?;
        location(consent, &response).context("the consent page did not redirect to the callback")
    }
}

/// Returns the URL that a response to a request for `from` redirects to.
fn location<T>(from: &Url, response: &Response<T>) -> Option<Url> {
    from.join(response.headers().get(header::LOCATION)?.to_str().ok()?).ok()
}
