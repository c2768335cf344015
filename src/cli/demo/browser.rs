//! The customer's browser, played by the program: it opens the link page, goes on to the provider,
//! approves, and comes back.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use http::{Method, Request, Response, header};
use url::Url;

use crate::upstream::{HttpClient, NamedBy, Reach, Reading, Timeouts};

/// A browser with one cookie.
#[derive(Debug)]
pub(super) struct Browser {
    http: HttpClient,
}

impl Browser {
    /// A new browser.
    pub(super) fn new() -> anyhow::Result<Self> {
        let patience = Duration::from_secs(10);
        let timeouts = Timeouts { connect: patience, read: patience, whole: patience };
        Ok(Self { http: HttpClient::new(timeouts, Reach::Anywhere)? })
    }

    /// Goes through a link from its page to the end.
    pub(super) async fn follow(&self, link: &Url) -> anyhow::Result<()> {
        let page = self.send(Method::GET, link, None, "").await?;
        ensure!(page.status().is_success(), "the link page answered {}", page.status());
        let left = self.send(Method::POST, link, None, "").await?;
        let cookie = left.headers().get(header::SET_COOKIE).cloned();
        let consent =
            location(link, &left).context("the link page did not lead to the provider")?;
        let back = self.approve(&consent).await?;
        let cookie = cookie.as_ref().and_then(|cookie| cookie.to_str().ok()?.split(';').next());
        let done = self.send(Method::GET, &back, cookie, "").await?;
        ensure!(done.status().is_success(), "the way back answered {}", done.status());
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
        Ok(self.http.execute(Box::new(request), NamedBy::Operator, Reading::Whole).await?.map(drop))
    }

    /// Approves on the provider's consent page, for the whole organization.
    async fn approve(&self, consent: &Url) -> anyhow::Result<Url> {
        let page = self.send(Method::GET, consent, None, "").await?;
        ensure!(page.status().is_success(), "the consent page answered {}", page.status());
        let approval = "decision=approve&install=org";
        let answer = self.send(Method::POST, consent, None, approval).await?;
        location(consent, &answer).context("the consent page did not lead back")
    }
}

/// Where an answer to a request for `from` leads.
fn location<T>(from: &Url, response: &Response<T>) -> Option<Url> {
    from.join(response.headers().get(header::LOCATION)?.to_str().ok()?).ok()
}
