//! The customer's browser, played by the program: it opens the link page, goes on to the provider,
//! approves, and comes back.

use anyhow::{Context as _, ensure};
use http::{HeaderValue, Method, header};
use reqwest::{Request, Response};
use url::Url;

use crate::upstream::{HttpClient, NamedBy, Reach, Timeouts};

/// A browser with one cookie.
#[derive(Debug)]
pub(super) struct Browser {
    http: HttpClient,
}

impl Browser {
    /// A new browser.
    pub(super) fn new() -> anyhow::Result<Self> {
        let patience = std::time::Duration::from_secs(10);
        let timeouts = Timeouts { connect: patience, read: patience };
        Ok(Self { http: HttpClient::new(timeouts, Reach::Anywhere)? })
    }

    /// Goes through a link from its page to the end.
    pub(super) async fn follow(&self, link: &Url) -> anyhow::Result<()> {
        let page = self.send(Request::new(Method::GET, link.clone())).await?;
        ensure!(page.status().is_success(), "the link page answered {}", page.status());
        let left = self.send(Request::new(Method::POST, link.clone())).await?;
        let cookie = left.headers().get(header::SET_COOKIE).cloned();
        let consent = location(&left).context("the link page did not lead to the provider")?;
        let back = self.approve(&consent).await?;
        let mut callback = Request::new(Method::GET, back);
        let cookie = cookie.as_ref().and_then(|cookie| cookie.to_str().ok()?.split(';').next());
        if let Some(cookie) = cookie {
            callback.headers_mut().insert(header::COOKIE, cookie.parse()?);
        }
        let done = self.send(callback).await?;
        ensure!(done.status().is_success(), "the way back answered {}", done.status());
        Ok(())
    }

    async fn send(&self, request: Request) -> anyhow::Result<Response> {
        Ok(self.http.execute(request, NamedBy::Operator).await?)
    }

    /// Approves on the provider's consent page, for the whole organization.
    async fn approve(&self, consent: &Url) -> anyhow::Result<Url> {
        let page = self.send(Request::new(Method::GET, consent.clone())).await?;
        ensure!(page.status().is_success(), "the consent page answered {}", page.status());
        let mut approval = Request::new(Method::POST, consent.clone());
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        approval.headers_mut().insert(header::CONTENT_TYPE, form);
        *approval.body_mut() = Some("decision=approve&install=org".into());
        let answer = self.send(approval).await?;
        location(&answer).context("the consent page did not lead back")
    }
}

fn location(response: &Response) -> Option<Url> {
    let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
    response.url().join(location).ok()
}
