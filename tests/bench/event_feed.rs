//! A consumer of `/events` that polls for new events.

use anyhow::Context as _;
use reqwest::Method;
use serde::Deserialize;

use super::fleet::{Caller, Fleet};

/// Maximum number of events of a page.
const PAGE_EVENTS: usize = 1_000;

/// An event, as far as it is measured.
#[derive(Debug, Deserialize)]
pub(crate) struct FeedEvent {
    /// Its id.
    pub(crate) id: String,
    /// How the gateway learned of the change.
    pub(crate) origin: String,
    object: Option<FeedObject>,
}

#[derive(Debug, Deserialize)]
struct FeedObject {
    title: Option<String>,
}

impl FeedEvent {
    /// Returns the title of the object after the change, if it has one.
    pub(crate) fn title(&self) -> Option<&str> {
        self.object.as_ref()?.title.as_deref()
    }
}

#[derive(Debug, Deserialize)]
struct EventPage {
    result: Vec<FeedEvent>,
    next_cursor: Option<String>,
}

/// A consumer with its cursor.
#[derive(Debug)]
pub(crate) struct EventFeed {
    caller: Caller,
    url: String,
    cursor: Option<String>,
}

impl EventFeed {
    /// Returns a consumer that has read everything so far.
    pub(crate) async fn at_end(fleet: &Fleet) -> anyhow::Result<Self> {
        let base = fleet.urls().next().context("no gateway")?;
        let url = format!("{base}/events?limit={PAGE_EVENTS}");
        let mut feed = Self { caller: fleet.caller.clone(), url, cursor: None };
        while !feed.poll().await?.is_empty() {}
        Ok(feed)
    }

    /// Returns the next events; none if there is nothing new.
    pub(crate) async fn poll(&mut self) -> anyhow::Result<Vec<FeedEvent>> {
        let mut url = self.url.clone();
        if let Some(cursor) = &self.cursor {
            url.push_str("&next_cursor=");
            url.push_str(cursor);
        }
        let response = self.caller.request(Method::GET, &url).send().await?;
        let bytes = response.error_for_status()?.bytes().await?;
        let page: EventPage = serde_json::from_slice(&bytes)?;
        if page.next_cursor.is_some() {
            self.cursor = page.next_cursor;
        }
        Ok(page.result)
    }
}
